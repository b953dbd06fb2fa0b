import { errorCode, WeftError } from "@weft/kit";

// Primary result codes: https://www.sqlite.org/rescode.html
const busy = 5;
const readOnly = 8;
const ioError = 10;
const corrupt = 11;
const full = 13;
const cantOpen = 14;
const notADatabase = 26;

/** Errors of SQLite, and of making its folder, as WeftErrors; any other error stays as it is. */
export function sqliteError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code: unknown = "errcode" in error ? error.errcode : undefined;
  if (typeof code !== "number") return folderError(error);
  switch (code & 0xff) {
    case busy:
      return new WeftError("UNAVAILABLE", "the data folder is locked by another process", { cause: error });
    case full:
      return new WeftError("RESOURCE_EXHAUSTED", "the disk is full", { cause: error });
    case readOnly:
    case cantOpen:
    case ioError:
      return new WeftError("UNAVAILABLE", `the data folder can't be used: ${error.message}`, { cause: error });
    case corrupt:
    case notADatabase:
      return new WeftError("DATA_LOSS", `a file of the data folder is damaged: ${error.message}`, { cause: error });
    default:
      return new WeftError("INTERNAL", `a statement failed: ${error.message}`, { cause: error });
  }
}

function folderError(error: Error): Error {
  if (!("syscall" in error)) return error;
  if (errorCode(error) === "ENOSPC") return new WeftError("RESOURCE_EXHAUSTED", "the disk is full", { cause: error });
  return new WeftError("UNAVAILABLE", `the data folder can't be used: ${error.message}`, { cause: error });
}
