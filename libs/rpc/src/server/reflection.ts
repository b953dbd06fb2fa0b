import { type DescFile, type DescService, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { file_google_rpc_error_details } from "@weft/contracts/google";
import {
  Channelz,
  ServerReflection,
  ServerReflectionAlpha,
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema,
} from "@weft/contracts/grpc";
import type { Code } from "@weft/kit";
import { implement, type ServiceImplementation } from "../implementation.ts";
import { codeNumber } from "../wire/codes.ts";

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;
type Question = ServerReflectionRequest["messageRequest"];

/**
 * Server reflection v1 and v1alpha over the descriptors of the services, so that tools such as grpcurl need no protos
 * (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md). The two versions differ in name only.
 */
export function reflectionOf(services: readonly DescService[]): readonly ServiceImplementation[] {
  const index = new DescriptorIndex([...services, Channelz, ServerReflection, ServerReflectionAlpha]);
  const serverReflectionInfo = async function* (requests: AsyncIterable<ServerReflectionRequest>) {
    for await (const { host, messageRequest } of requests) {
      yield {
        validHost: host,
        originalRequest: { host, messageRequest },
        messageResponse: index.answer(messageRequest),
      };
    }
  };
  const implementation = implement(ServerReflection, { serverReflectionInfo });
  return [implementation, { ...implementation, service: ServerReflectionAlpha }];
}

class DescriptorIndex {
  readonly #services: readonly string[];
  readonly #files = new Map<string, DescFile>();
  /** Files by the full name of whatever they define. */
  readonly #symbols = new Map<string, DescFile>();
  /** Files by `extended type` and number. */
  readonly #extensions = new Map<string, { readonly file: DescFile; readonly number: number }[]>();

  constructor(services: readonly DescService[]) {
    this.#services = services.map(({ typeName }) => typeName).sort();
    for (const { file } of services) this.#addFile(file);
    // No service names them: they come as details of errors.
    this.#addFile(file_google_rpc_error_details);
  }

  answer(question: Question): Answer {
    switch (question.case) {
      case "listServices":
        return { case: "listServicesResponse", value: { service: this.#services.map((name) => ({ name })) } };
      case "fileByFilename":
        return answerOf(this.#files.get(question.value), question.value);
      case "fileContainingSymbol":
        return answerOf(this.#symbols.get(question.value), question.value);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = question.value;
        const extension = this.#extensions.get(containingType)?.find(({ number }) => number === extensionNumber);
        return answerOf(extension?.file, `extension ${extensionNumber} of ${containingType}`);
      }
      case "allExtensionNumbersOfType": {
        const extensionNumber = (this.#extensions.get(question.value) ?? []).map(({ number }) => number);
        if (!this.#symbols.has(question.value)) return notFound(question.value);
        return { case: "allExtensionNumbersResponse", value: { baseTypeName: question.value, extensionNumber } };
      }
      case undefined:
        return failure("INVALID_ARGUMENT", "the request asks for nothing");
    }
  }

  #addFile(file: DescFile): void {
    if (this.#files.has(file.proto.name)) return;
    this.#files.set(file.proto.name, file);
    for (const desc of nestedTypes(file)) {
      this.#symbols.set(desc.typeName, file);
      if (desc.kind === "service") {
        for (const method of desc.methods) this.#symbols.set(`${desc.typeName}.${method.name}`, file);
      }
      if (desc.kind === "extension") {
        const known = this.#extensions.get(desc.extendee.typeName) ?? [];
        this.#extensions.set(desc.extendee.typeName, [...known, { file, number: desc.number }]);
      }
    }
    for (const dependency of file.dependencies) this.#addFile(dependency);
  }
}

/** A file and all that it imports, itself first. */
function answerOf(file: DescFile | undefined, what: string): Answer {
  if (file === undefined) return notFound(what);
  const files = new Set([file]);
  for (const each of files) for (const dependency of each.dependencies) files.add(dependency);
  const fileDescriptorProto = [...files].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function notFound(what: string): Answer {
  return failure("NOT_FOUND", `${what} is not known here`);
}

function failure(code: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode: codeNumber(code), errorMessage } };
}
