// Addresses with the capitals that EIP-55 gives them: a mistyped one shows.

const LANE = (1n << 64n) - 1n;
const RATE_BYTES = 136;
const KEPT_MAX = 2000;

const ROUNDS = roundConstants();
const kept = new Map();

function roundConstants() {
  let register = 1;
  const bit = () => {
    const out = register & 1;
    register = register & 0x80 ? ((register << 1) ^ 0x171) & 0xff : (register << 1) & 0xff;
    return out;
  };
  return Array.from({ length: 24 }, () => [0, 1, 3, 7, 15, 31, 63].reduce((constant, place) => (bit() ? constant | (1n << BigInt(place)) : constant), 0n));
}

const turn = (lane, by) => (by ? ((lane << BigInt(by)) | (lane >> BigInt(64 - by))) & LANE : lane);

/** Keccak-f[1600] on 25 lanes, lane (x, y) at x + 5 y. */
function permute(lanes) {
  for (const constant of ROUNDS) {
    const columns = [0, 1, 2, 3, 4].map((x) => lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20]);
    for (let i = 0; i < 25; i++) lanes[i] ^= columns[(i + 4) % 5] ^ turn(columns[(i + 1) % 5], 1);
    let [x, y, moved] = [1, 0, lanes[1]];
    for (let step = 0; step < 24; step++) {
      [x, y] = [y, (2 * x + 3 * y) % 5];
      [moved, lanes[x + 5 * y]] = [lanes[x + 5 * y], turn(moved, (((step + 1) * (step + 2)) / 2) % 64)];
    }
    for (let row = 0; row < 25; row += 5) {
      const before = lanes.slice(row, row + 5);
      for (let i = 0; i < 5; i++) lanes[row + i] = before[i] ^ (~before[(i + 1) % 5] & LANE & before[(i + 2) % 5]);
    }
    lanes[0] ^= constant;
  }
}

/** Keccak-256 of a text of ASCII that fits one block; hexadecimal. */
function keccak(text) {
  const block = new Uint8Array(RATE_BYTES);
  block.set(new TextEncoder().encode(text));
  block[text.length] ^= 0x01;
  block[RATE_BYTES - 1] ^= 0x80;
  const view = new DataView(block.buffer);
  const lanes = Array.from({ length: 25 }, (_, i) => (i < RATE_BYTES / 8 ? view.getBigUint64(8 * i, true) : 0n));
  permute(lanes);
  const out = new DataView(new ArrayBuffer(32));
  for (let i = 0; i < 4; i++) out.setBigUint64(8 * i, lanes[i], true);
  return Array.from(new Uint8Array(out.buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** An address as EIP-55 writes it. */
export function withChecksum(address) {
  const digits = address.slice(2).toLowerCase();
  let written = kept.get(digits);
  if (!written) {
    const marks = keccak(digits);
    written = `0x${[...digits].map((digit, i) => (parseInt(marks[i], 16) >= 8 ? digit.toUpperCase() : digit)).join("")}`;
    if (kept.size >= KEPT_MAX) kept.delete(kept.keys().next().value);
    kept.set(digits, written);
  }
  return written;
}

/** What is wrong with a text as an address, in a sentence; null when nothing is. All small or all capital letters carry no checksum. */
export function addressFault(text) {
  if (!/^0x[0-9a-f]{40}$/i.test(text)) return "An address is 0x and 40 hexadecimal digits.";
  const digits = text.slice(2);
  if (digits === digits.toLowerCase() || digits === digits.toUpperCase() || text === withChecksum(text)) return null;
  return "A letter of this address is in the wrong case (EIP-55): look for a typing error, or write it in lower case.";
}
