/** Names of variables that hold a secret; what only leads to one (`…_FILE`, `…_URL`) ends otherwise. */
const SECRET_NAME =
  /(?:^|[_.-])(?:PASSWORD|PASSWD|PASSPHRASE|PWORD|SECRETS?|TOKENS?|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|SECRET_?KEY|SIGNING_?KEY|ENCRYPTION_?KEY|CREDENTIALS?|AUTH)(?:_(?:BASE|BASE64|B64|VALUE|\d{1,3}))?$/;

/** Values that secrets are known by, whatever their variable is called. */
const SECRET_VALUE =
  /-----BEGIN [A-Z ]{0,30}PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bglpat-[\w-]{20,}|\bsk-[A-Za-z0-9_-]{20,}|\bxox[abprs]-[\w-]{10,}|\bnpm_[A-Za-z0-9]{36}/;

/** Most words are shorter, and need not be looked at. */
const SHORTEST_VALUE = "xoxb-1234567890".length;

export function isSecretName(name: string): boolean {
  const upper = name.toUpperCase();
  return SECRET_NAME.test(upper) && !upper.includes("PUBLIC");
}

export function isSecretValue(value: string): boolean {
  return value.length >= SHORTEST_VALUE && SECRET_VALUE.test(value);
}
