import {
  create,
  createFileRegistry,
  type DescMessage,
  type DescService,
  type Message,
  type MessageInitShape,
  setExtension,
} from "@bufbuild/protobuf";
import type { GenMessage, GenService } from "@bufbuild/protobuf/codegenv2";
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FieldOptionsSchema,
  FileDescriptorProtoSchema,
  MethodOptions_IdempotencyLevel as Idempotency,
  MethodOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { field, FieldRulesSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { MethodPolicySchema, policy } from "@weft/contracts/options";

/** What the test service takes and gives. */
export type Echo = Message<"weft.test.v1.Echo"> & {
  /** At most 10 characters in a request. */
  text: string;
  /** From 0 to 1,000,000 in a request. */
  number: number;
  payload: Uint8Array;
  requestId: string;
  owner: string;
  shortTags: string[];
};

type EchoDesc = GenMessage<Echo>;
type Access = NonNullable<MessageInitShape<typeof MethodPolicySchema>["access"]>;

interface MethodSpec {
  readonly name: string;
  readonly kind: "unary" | "server_streaming" | "client_streaming" | "bidi_streaming";
  readonly access?: Access;
  readonly timeoutMs?: number;
  readonly idempotency?: Idempotency;
  readonly endless?: boolean;
}

const open: Access = { rule: { case: "public", value: true } };

const methods: readonly MethodSpec[] = [
  { name: "Say", kind: "unary", access: open, idempotency: Idempotency.NO_SIDE_EFFECTS },
  { name: "Count", kind: "server_streaming", access: open, idempotency: Idempotency.NO_SIDE_EFFECTS },
  { name: "Sum", kind: "client_streaming", access: open },
  { name: "Chat", kind: "bidi_streaming", access: open },
  { name: "Watch", kind: "server_streaming", access: open, endless: true, timeoutMs: 60_000 },
  { name: "Brief", kind: "unary", access: open, timeoutMs: 80 },
  { name: "Known", kind: "unary", access: { rule: { case: "authenticated", value: true } } },
  { name: "Admin", kind: "unary", access: { rule: { case: "roles", value: { anyOf: ["admin"] } } } },
  { name: "Own", kind: "unary", access: { rule: { case: "owner", value: { field: "owner" } } } },
  { name: "AdminAll", kind: "client_streaming", access: { rule: { case: "roles", value: { anyOf: ["admin"] } } } },
  { name: "OwnAll", kind: "client_streaming", access: { rule: { case: "owner", value: { field: "owner" } } } },
  { name: "Closed", kind: "unary" },
  { name: "Missing", kind: "unary", access: open },
];

/** The same service with and without a request id: with one, every unary method is safe to retry. */
function build(packageName: string, withRequestId: boolean): { echo: DescMessage; service: DescService } {
  const scalar = (name: string, number: number, type: Type, rules?: MessageInitShape<typeof FieldRulesSchema>) => ({
    name,
    number,
    type,
    label: Label.OPTIONAL,
    jsonName: name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
    ...(rules === undefined ? {} : { options: ruled(rules) }),
  });
  const file = create(FileDescriptorProtoSchema, {
    name: `${packageName.replaceAll(".", "/")}/echo.proto`,
    package: packageName,
    syntax: "proto3",
    messageType: [
      {
        name: "Echo",
        field: [
          scalar("text", 1, Type.STRING, { type: { case: "string", value: { maxLen: 10n } } }),
          scalar("number", 2, Type.INT32, {
            type: {
              case: "int32",
              value: { greaterThan: { case: "gte", value: 0 }, lessThan: { case: "lte", value: 1_000_000 } },
            },
          }),
          scalar("payload", 3, Type.BYTES),
          scalar(withRequestId ? "request_id" : "other_id", 4, Type.STRING),
          scalar("owner", 5, Type.STRING),
          {
            ...scalar("short_tags", 6, Type.STRING, {
              type: {
                case: "repeated",
                value: { items: { type: { case: "string", value: { minLen: 1n } } } },
              },
            }),
            label: Label.REPEATED,
          },
        ],
      },
    ],
    service: [
      {
        name: "EchoService",
        method: methods.map((spec) => ({
          name: spec.name,
          inputType: `.${packageName}.Echo`,
          outputType: `.${packageName}.Echo`,
          clientStreaming: spec.kind === "client_streaming" || spec.kind === "bidi_streaming",
          serverStreaming: spec.kind === "server_streaming" || spec.kind === "bidi_streaming",
          options: optionsOf(spec),
        })),
      },
    ],
  });
  const registry = createFileRegistry(file, () => undefined);
  const echo = registry.getMessage(`${packageName}.Echo`);
  const service = registry.getService(`${packageName}.EchoService`);
  if (echo === undefined || service === undefined) throw new Error("the test service can't be built");
  return { echo, service };
}

function ruled(rules: MessageInitShape<typeof FieldRulesSchema>) {
  const options = create(FieldOptionsSchema);
  setExtension(options, field, create(FieldRulesSchema, rules));
  return options;
}

function optionsOf({ access, timeoutMs = 5_000, idempotency, endless }: MethodSpec) {
  const options = create(MethodOptionsSchema, idempotency === undefined ? {} : { idempotencyLevel: idempotency });
  setExtension(
    options,
    policy,
    create(MethodPolicySchema, {
      ...(access === undefined ? {} : { access }),
      timeout: { seconds: BigInt(Math.floor(timeoutMs / 1_000)), nanos: (timeoutMs % 1_000) * 1_000_000 },
      ...(endless === true ? { stream: { case: "serverSentEvents", value: {} } } : {}),
    }),
  );
  return options;
}

interface Kinds {
  say: Unary;
  count: { input: EchoDesc; output: EchoDesc; methodKind: "server_streaming" };
  sum: { input: EchoDesc; output: EchoDesc; methodKind: "client_streaming" };
  chat: { input: EchoDesc; output: EchoDesc; methodKind: "bidi_streaming" };
  watch: { input: EchoDesc; output: EchoDesc; methodKind: "server_streaming" };
  brief: Unary;
  known: Unary;
  admin: Unary;
  own: Unary;
  adminAll: { input: EchoDesc; output: EchoDesc; methodKind: "client_streaming" };
  ownAll: { input: EchoDesc; output: EchoDesc; methodKind: "client_streaming" };
  closed: Unary;
  missing: Unary;
}
interface Unary {
  input: EchoDesc;
  output: EchoDesc;
  methodKind: "unary";
}

const plain = build("weft.test.v1", false);
const withId = build("weft.testid.v1", true);

// Built from a descriptor, so only we know the shapes that generated code would declare.
export const EchoSchema = plain.echo as EchoDesc;
export const EchoService = plain.service as unknown as GenService<Omit<Kinds, never>>;
/** `Say` and the others carry a `request_id` here. */
export const IdentifiedEchoService = withId.service as unknown as GenService<Omit<Kinds, never>>;
