/**
 * Whether the methods of a service carry a contract of Weft. Those of the standard protocols (health, reflection) do
 * not: they are open to anybody, and their requests have no rules.
 */
export function isGoverned(typeName: string): boolean {
  return typeName.startsWith("weft.");
}
