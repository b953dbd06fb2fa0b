import type { DescField, DescMessage, DescMethod, DescService } from "@bufbuild/protobuf";
import { contractOf, type MethodContract } from "@weft/contracts";
import type { HttpRule } from "@weft/contracts/google";
import { parseTemplate, type Template } from "./template.ts";

/** One HTTP method and path that stand for an RPC. An RPC has one for each rule of its google.api.http option. */
export interface Binding {
  readonly method: DescMethod;
  readonly contract: MethodContract;
  /** Process that serves it. */
  readonly target: string;
  readonly httpMethod: string;
  readonly template: Template;
  /** What the HTTP body becomes: nothing, the whole request, or one field of it. */
  readonly body: undefined | "*" | DescField;
  /** Field of the response that becomes the HTTP body; undefined for the whole. */
  readonly responseBody: DescField | undefined;
  /** Fields of the request that the path gives, in the order of the template's variables. */
  readonly pathFields: readonly (readonly DescField[])[];
}

/** Every binding of the services. Throws an Error where a rule names what its messages lack: a bug of a `.proto`. */
export function bindingsOf(
  services: readonly { readonly service: DescService; readonly target: string }[],
): readonly Binding[] {
  return services.flatMap(({ service, target }) =>
    service.methods.flatMap((method) => {
      const contract = contractOf(method);
      if (contract.http === undefined) return [];
      return [contract.http, ...contract.http.additionalBindings].map((rule) => bind(method, contract, target, rule));
    }),
  );
}

function bind(method: DescMethod, contract: MethodContract, target: string, rule: HttpRule): Binding {
  const { case: kind, value } = rule.pattern;
  if (kind === undefined) throw new Error(`${contract.name}: an http rule without a pattern`);
  const [httpMethod, path] = kind === "custom" ? [value.kind, value.path] : [kind.toUpperCase(), value];
  const template = parseTemplate(path);
  return {
    method,
    contract,
    target,
    httpMethod,
    template,
    body: rule.body === "" ? undefined : rule.body === "*" ? "*" : fieldOf(method.input, rule.body),
    responseBody: rule.responseBody === "" ? undefined : fieldOf(method.output, rule.responseBody),
    pathFields: template.variables.map(({ fieldPath }) => fieldsOf(method.input, fieldPath)),
  };
}

function fieldOf(message: DescMessage, name: string): DescField {
  const field = message.fields.find((other) => other.name === name);
  if (field === undefined) throw new Error(`${message.typeName} has no field ${name}`);
  return field;
}

/** The fields along a path of proto names; all but the last are messages. Throws an Error for a path that isn't there. */
export function fieldsOf(message: DescMessage, path: readonly string[]): readonly DescField[] {
  const fields: DescField[] = [];
  let within: DescMessage | undefined = message;
  for (const name of path) {
    if (within === undefined) throw new Error(`${message.typeName} has no field ${path.join(".")}`);
    const field: DescField = fieldOf(within, name);
    fields.push(field);
    within = field.fieldKind === "message" ? field.message : undefined;
  }
  return fields;
}
