/** Definition of the index that `data/packages.ndjson` is made for. */
export const packagesIndex = {
  index: "packages",
  idField: "id",
  languageField: "lang",
  fields: [
    { name: "name", keyword: { suggest: true } },
    { name: "summary", text: { weight: 3 } },
    { name: "description", text: {} },
    { name: "section", keyword: { facet: true } },
    { name: "tags", keyword: { facet: true } },
    { name: "lang", keyword: { facet: true } },
    { name: "installedKiB", integer: {} },
  ],
};
