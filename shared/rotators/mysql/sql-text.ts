/**
 * A string literal. Only for sessions that `Connector` has prepared: there a backslash escapes, and double quotes quote
 * strings, whatever the server's sql_mode says.
 */
export function literal(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

export function identifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** An account: the server knows a user by name and by where it comes from. */
export interface AccountName {
  readonly user: string;
  readonly host: string;
}

export function accountText({ user, host }: AccountName): string {
  return `${literal(user)}@${literal(host)}`;
}
