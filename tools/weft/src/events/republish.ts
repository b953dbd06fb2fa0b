import { UserService } from "@weft/contracts/user";
import { WeftError } from "@weft/kit";
import { createClient } from "@weft/rpc";
import { openAccess, reportErrors } from "../access.ts";
import { findMethod } from "../call.ts";
import type { AccessFlags } from "../cli.ts";
import type { Terminal } from "../terminal.ts";
import { asAdministrator } from "./client.ts";
import { tell } from "./tell.ts";

/** Has the owner of something announce all of it again. */
export function republishCommand(what: string, flags: AccessFlags, terminal: Terminal): Promise<number> {
  return reportErrors(flags, terminal, async () => {
    if (what !== "users") throw new WeftError("INVALID_ARGUMENT", `there are no ${what} to republish; there are users`);
    await using stack = new AsyncDisposableStack();
    const { target } = findMethod(`${UserService.typeName}/RepublishUsers`);
    const { transport, options } = await openAccess(target, flags, terminal, stack);
    const { republished } = await asAdministrator(createClient(UserService, transport).republishUsers({}, options));
    tell({ republished }, `users republished: ${republished}`, flags, terminal);
  });
}
