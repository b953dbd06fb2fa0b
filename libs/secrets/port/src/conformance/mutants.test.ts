import { Secret } from "@weft/kit";
import { describeMutants, type Mutant } from "@weft/kit/testing";
import { checkSecretName, type SecretStore } from "../index.ts";
import { describeSecretsConformance, type SecretsFixture } from "./index.ts";
import { laws } from "./laws.ts";

/** The simplest store that keeps the laws, with some methods replaced. */
function model(change: (right: SecretStore) => Partial<SecretStore> = () => ({})) {
  return async (): Promise<SecretsFixture> => {
    const secrets = new Map<string, string>();
    const right: SecretStore = {
      get: async (name) => {
        checkSecretName(name);
        const value = secrets.get(name);
        return value === undefined ? undefined : new Secret(value);
      },
      list: async () => [...secrets.keys()].sort(),
      [Symbol.asyncDispose]: async () => undefined,
    };
    return {
      store: { ...right, ...change(right) },
      put: async (name, value) => void (value ? secrets.set(name, value) : secrets.delete(name)),
      [Symbol.asyncDispose]: async () => undefined,
    };
  };
}

class LoudSecret extends Secret {
  override toJSON(): string {
    return this.reveal();
  }
}

describeSecretsConformance("model", model());

const mutants: readonly Mutant<SecretsFixture>[] = [
  {
    fault: "a missing secret is an empty one",
    breaks: "X1",
    open: model((right) => ({ get: async (name) => (await right.get(name)) ?? new Secret("") })),
  },
  {
    fault: "values are trimmed at every blank",
    breaks: "X1",
    open: model((right) => ({
      get: async (name) => {
        const secret = await right.get(name);
        return secret && new Secret(secret.reveal().split(" ")[0] ?? "");
      },
    })),
  },
  { fault: "list is forgotten", breaks: "X1", open: model(() => ({ list: async () => [] })) },
  {
    fault: "a secret shows itself in JSON",
    breaks: "X2",
    open: model((right) => ({
      get: async (name) => {
        const secret = await right.get(name);
        return secret && new LoudSecret(secret.reveal());
      },
    })),
  },
  {
    fault: "a path is followed",
    breaks: "X3",
    open: model((right) => ({ get: (name) => right.get(name.split("/").at(-1) ?? name) })),
  },
  {
    fault: "a secret is read once for all",
    breaks: "X4",
    open: model((right) => {
      const cache = new Map<string, ReturnType<SecretStore["get"]>>();
      return {
        get: (name) => {
          const secret = cache.get(name) ?? right.get(name);
          cache.set(name, secret);
          return secret;
        },
      };
    }),
  },
];

describeMutants("secrets: mutants", laws, mutants);
