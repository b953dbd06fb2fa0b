/** Who calls, as a verified token says. */
export interface Principal {
  /** Id of the user, or `admin` for the administrator's token of the embedded profile. */
  readonly subject: string;
  readonly roles: readonly string[];
}
