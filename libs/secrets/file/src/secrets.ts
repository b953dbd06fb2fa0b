import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, Secret, WeftError } from "@weft/kit";
import { checkSecretName, isSecretName, type SecretStore } from "@weft/secrets";

export interface FileSecretsOptions {
  /** Folder with one file for each secret, named like it. */
  readonly directory: string;
}

const maxBytes = 64 * 1024;
/** Write permission of the group, and any permission of the world. */
const openToOthers = 0o027;

/**
 * Secrets from files, as Kubernetes and Docker mount them: the file's name is the secret's, its content the value,
 * without one line break at its end. Files are read at every `get`, so a replaced file is seen at once. An empty file is
 * a missing secret; hidden files are none.
 *
 * A file that others than its owner and group may read, or its group may write, is refused with
 * `FAILED_PRECONDITION`: a secret that everybody on the machine can read is a mistake to hear about. Reading by the
 * group is allowed because Kubernetes' `fsGroup` mounts secrets that way. Windows has no such bits; nothing is checked.
 *
 * `INVALID_CONFIGURATION` when the folder is not there.
 */
export async function openFileSecrets(options: FileSecretsOptions): Promise<SecretStore> {
  const { directory } = options;
  const found = await stat(directory).catch((error: unknown) => error);
  if (found instanceof Error) throw folderError(directory, found);
  return {
    get: (name) => read(directory, name),
    list: async () => {
      try {
        const entries = await readdir(directory, { withFileTypes: true });
        // Kubernetes mounts each secret as a symbolic link to the file of the day.
        const names = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink()).map((entry) => entry.name);
        return names.filter(isSecretName).sort();
      } catch (error) {
        throw fileError("the folder of secrets", error);
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function read(directory: string, name: string): Promise<Secret | undefined> {
  checkSecretName(name);
  let file: FileHandle | undefined;
  try {
    file = await open(join(directory, name));
    const facts = await file.stat();
    if (!facts.isFile()) return undefined;
    if (process.platform !== "win32" && (facts.mode & openToOthers) !== 0) {
      throw new WeftError(
        "FAILED_PRECONDITION",
        `the secret '${name}' is open to others: give its file mode 0600 (Kubernetes: defaultMode 0440, Compose: mode 0440)`,
      );
    }
    if (facts.size > maxBytes) {
      throw new WeftError("FAILED_PRECONDITION", `the secret '${name}' is larger than ${maxBytes} bytes`);
    }
    const text = (await file.readFile("utf8")).replace(/\r?\n$/, "");
    return text === "" ? undefined : new Secret(text);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw fileError(`the secret '${name}'`, error);
  } finally {
    await file?.close();
  }
}

function folderError(directory: string, error: Error): WeftError {
  return new WeftError(
    "INVALID_CONFIGURATION",
    `the folder of secrets '${directory}' can't be used: ${error.message}`,
    {
      cause: error,
    },
  );
}

/** The one mapping from Node's file errors. */
function fileError(what: string, error: unknown): WeftError {
  if (error instanceof WeftError) return error;
  const code = errorCode(error);
  if (code === "EACCES" || code === "EPERM") {
    return new WeftError("FAILED_PRECONDITION", `${what} can't be read by this process: ${code}`, { cause: error });
  }
  return new WeftError("UNAVAILABLE", `${what} can't be read: ${code ?? "unknown error"}`, { cause: error });
}
