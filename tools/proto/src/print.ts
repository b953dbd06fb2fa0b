import {
  type DescEnum,
  type DescExtension,
  type DescField,
  type DescFile,
  type DescMessage,
  type DescOneof,
  ScalarType,
} from "@bufbuild/protobuf";
import { FieldDescriptorProto_Label, FieldDescriptorProto_Type, Edition } from "@bufbuild/protobuf/wkt";

/**
 * Writes a file descriptor as `.proto` source, without options and comments.
 *
 * Some protos reach npm in generated form only; `buf` wants sources to compile what imports them. Names, numbers,
 * types, labels and extension ranges are kept, so the compiled options of our own files are the same to the byte.
 */
export function printProto(file: DescFile): string {
  const out: string[] = [];
  const syntax = file.edition === Edition.EDITION_PROTO2 ? "proto2" : "proto3";
  if (file.edition !== Edition.EDITION_PROTO2 && file.edition !== Edition.EDITION_PROTO3) {
    throw new Error(`${file.name}: only proto2 and proto3 can be printed`);
  }
  out.push(`syntax = "${syntax}";`, `package ${file.proto.package};`);
  for (const dependency of file.proto.dependency) out.push(`import "${dependency}";`);
  for (const extension of file.extensions) out.push(...printExtension(extension, syntax, ""));
  for (const desc of file.enums) out.push(...printEnum(desc, ""));
  for (const desc of file.messages) out.push(...printMessage(desc, syntax, ""));
  return out.join("\n") + "\n";
}

type Syntax = "proto2" | "proto3";

function printMessage(desc: DescMessage, syntax: Syntax, indent: string): string[] {
  const inner = indent + "  ";
  const out = [`${indent}message ${desc.name} {`];
  for (const range of desc.proto.extensionRange) out.push(`${inner}extensions ${range.start} to ${range.end - 1};`);
  for (const range of desc.proto.reservedRange) out.push(`${inner}reserved ${range.start} to ${range.end - 1};`);
  for (const name of desc.proto.reservedName) out.push(`${inner}reserved "${name}";`);
  for (const nested of desc.nestedEnums) out.push(...printEnum(nested, inner));
  for (const nested of desc.nestedMessages) out.push(...printMessage(nested, syntax, inner));
  for (const nested of desc.nestedExtensions) out.push(...printExtension(nested, syntax, inner));
  for (const member of desc.members) {
    out.push(...(member.kind === "oneof" ? printOneof(member, inner) : [printField(member, syntax, inner)]));
  }
  return [...out, `${indent}}`];
}

function printOneof(desc: DescOneof, indent: string): string[] {
  const fields = desc.fields.map((field) => `${indent}  ${typeOf(field)} ${field.name} = ${field.number};`);
  return [`${indent}oneof ${desc.name} {`, ...fields, `${indent}}`];
}

function printEnum(desc: DescEnum, indent: string): string[] {
  const { reservedRange, reservedName } = desc.proto;
  return [
    `${indent}enum ${desc.name} {`,
    // The end of a range is part of it here, unlike in messages.
    ...reservedRange.map(({ start, end }) => `${indent}  reserved ${start} to ${end};`),
    ...reservedName.map((name) => `${indent}  reserved "${name}";`),
    ...desc.values.map((value) => `${indent}  ${value.name} = ${value.number};`),
    `${indent}}`,
  ];
}

function printExtension(desc: DescExtension, syntax: Syntax, indent: string): string[] {
  return [`${indent}extend ${desc.extendee.typeName} {`, printField(desc, syntax, indent + "  "), `${indent}}`];
}

function printField(desc: DescField | DescExtension, syntax: Syntax, indent: string): string {
  const repeated = desc.proto.label === FieldDescriptorProto_Label.REPEATED && desc.fieldKind !== "map";
  const optional = syntax === "proto2" || desc.proto.proto3Optional;
  const label = repeated ? "repeated " : optional && desc.fieldKind !== "map" ? "optional " : "";
  return `${indent}${label}${typeOf(desc)} ${desc.name} = ${desc.number};`;
}

function typeOf(desc: DescField | DescExtension): string {
  switch (desc.fieldKind) {
    case "message":
      return `.${desc.message.typeName}`;
    case "enum":
      return `.${desc.enum.typeName}`;
    case "map": {
      const value =
        desc.mapKind === "message"
          ? `.${desc.message.typeName}`
          : desc.mapKind === "enum"
            ? `.${desc.enum.typeName}`
            : scalarName(desc.scalar);
      return `map<${scalarName(desc.mapKey)}, ${value}>`;
    }
    case "list":
      if (desc.listKind === "message") return `.${desc.message.typeName}`;
      if (desc.listKind === "enum") return `.${desc.enum.typeName}`;
      return scalarName(desc.scalar);
    case "scalar":
      if (desc.proto.type === FieldDescriptorProto_Type.GROUP) throw new Error(`${desc.name}: groups can't be printed`);
      return scalarName(desc.scalar);
  }
}

function scalarName(scalar: ScalarType): string {
  const name = Object.entries(ScalarType).find(([, value]) => value === scalar)?.[0];
  if (name === undefined) throw new Error(`unknown scalar type ${scalar}`);
  return name.toLowerCase();
}
