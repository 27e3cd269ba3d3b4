// Numbers, times and hashes as people read them.

const COIN = 10n ** 18n;
const GWEI = 10n ** 9n;
const GROUP = new Intl.NumberFormat("en");

/** A JSON-RPC quantity as a number, for heights, counts and times. */
export const int = (quantity) => Number(BigInt(quantity));

/** A whole number with separators. */
export const count = (value) => GROUP.format(value);

function decimal(value, unit, digits) {
  const sign = value < 0n ? "−" : "";
  const size = value < 0n ? -value : value;
  const whole = GROUP.format(size / unit);
  const places = String(unit).length - 1;
  let rest = String(size % unit).padStart(places, "0").replace(/0+$/, "");
  if (rest.length <= digits) return sign + whole + (rest && `.${rest}`);
  const cut = rest.slice(0, digits).replace(/0+$/, "");
  return size < unit && !cut ? `${sign}<0.${"0".repeat(digits - 1)}1` : `${sign}${whole}${cut && `.${cut}`}`;
}

/** Wei as coins, cut after `digits` places. */
export const coins = (wei, digits = 18) => decimal(BigInt(wei), COIN, digits);

/** A price of gas: gwei, or wei when it is next to nothing. */
export const gasPrice = (wei) => (BigInt(wei) < GWEI / 10000n ? `${GROUP.format(BigInt(wei))} wei` : `${decimal(BigInt(wei), GWEI, 4)} gwei`);

/** A hash or address with its middle left out. */
export const short = (hex, head = 8, tail = 6) => (hex.length > head + tail + 3 ? `${hex.slice(0, head)}…${hex.slice(-tail)}` : hex);

/** Bytes of a hex string. */
export const sizeOf = (hex) => (hex.length - 2) / 2;

/** How long ago, in words; seconds since 1970. */
export function ago(timestamp, now = Date.now() / 1000) {
  const seconds = Math.max(0, Math.round(now - timestamp));
  if (seconds < 2) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

/** Date and time here. */
export const clock = (timestamp) => new Date(timestamp * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** Time of day here. */
export const timeOfDay = (timestamp) => new Date(timestamp * 1000).toLocaleTimeString("en-GB");

/** Text of a chain with what would hide or turn it (control and bidi characters) written out. */
export const visible = (text) =>
  text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** The text that bytes spell, or null when it is not mostly text. */
export function textOf(hex) {
  const bytes = bytesOf(hex).filter((byte) => byte !== 0);
  if (bytes.length < 4) return null;
  const text = new TextDecoder().decode(Uint8Array.from(bytes));
  const odd = (text.match(/[\ufffd\u0000-\u001f]/g) ?? []).length;
  return odd * 10 > text.length ? null : visible(text);
}

/** The bytes of a hex string. */
export const bytesOf = (hex) => (hex.slice(2).match(/../g) ?? []).map((pair) => parseInt(pair, 16));
