import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type {
  FieldDefinition,
  FieldDefinitionSchema,
  IndexDefinition as IndexMessage,
  IndexDefinitionSchema,
  OperationSchema,
} from "@weft/contracts/indexer";
import { WeftError } from "@weft/kit";
import type { FieldType, IndexDefinition, IndexInfo } from "@weft/search";
import type { Operation } from "../domain/operation.ts";

const defaultIdField = "id";

/** A definition as a caller wrote it. */
export function fromMessage({ index, idField, languageField, fields }: IndexMessage): IndexDefinition {
  const types = new Map(fields.map((field) => [field.name, typeOf(field)]));
  if (types.size < fields.length) {
    const description = "names a field twice";
    throw new WeftError("INVALID_ARGUMENT", `fields ${description}`, {
      violations: [{ field: "fields", description }],
    });
  }
  return {
    index,
    idField: idField === "" ? defaultIdField : idField,
    ...(languageField === "" ? {} : { languageField }),
    fields: types,
  };
}

/** An index as callers see it. */
export function toMessage({
  definition,
  createTime,
  documentCount,
}: IndexInfo): MessageInitShape<typeof IndexDefinitionSchema> {
  return {
    index: definition.index,
    idField: definition.idField,
    languageField: definition.languageField ?? "",
    fields: [...definition.fields].map(([name, type]) => ({ name, type: toType(type) })),
    createTime: timestampFromMs(createTime),
    documentCount,
  };
}

/** An operation as callers see it. */
export function toOperation(operation: Operation): MessageInitShape<typeof OperationSchema> {
  const { id, index: target, processed, total, createTime, endTime, error } = operation;
  return {
    id,
    kind: "reindex",
    target,
    done: endTime !== undefined,
    processed,
    total,
    createTime: timestampFromMs(createTime),
    ...(endTime === undefined ? {} : { endTime: timestampFromMs(endTime) }),
    ...(error === undefined ? {} : { error }),
  };
}

function typeOf({ name, type }: FieldDefinition): FieldType {
  switch (type.case) {
    case "text":
      return { kind: "text", weight: type.value.weight === 0 ? 1 : type.value.weight, suggest: type.value.suggest };
    case "keyword":
      return { kind: "keyword", facet: type.value.facet, suggest: type.value.suggest };
    case "integer":
      return { kind: "integer", facet: type.value.facet };
    case "boolean":
      return { kind: "boolean", facet: type.value.facet };
    case "number":
    case "date":
      return { kind: type.case };
    case undefined:
      throw new WeftError("INVALID_ARGUMENT", `the field ${name} has no type`);
  }
}

function toType(type: FieldType): Extract<MessageInitShape<typeof FieldDefinitionSchema>["type"], { case: string }> {
  switch (type.kind) {
    case "text":
      return { case: "text", value: { weight: type.weight, suggest: type.suggest } };
    case "keyword":
      return { case: "keyword", value: { facet: type.facet, suggest: type.suggest } };
    case "integer":
      return { case: "integer", value: { facet: type.facet } };
    case "boolean":
      return { case: "boolean", value: { facet: type.facet } };
    case "number":
      return { case: "number", value: {} };
    case "date":
      return { case: "date", value: {} };
  }
}
