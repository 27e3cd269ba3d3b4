// What contracts say: revert reasons, the Outbox's events, strings.

import { bytesOf, visible } from "./format.js";

export const OUTBOX = "0x0000000000000000000000000000000000005a01";
export const SENT_TOPIC = "0xd3515fae33a66c6cd35cb5a753f16f9215ed22bdfab8f1f454759d4f4214feb0";
const KINDS = ["Credit", "Call", "Call", "Call with a callback", "Result"];

export const kindName = (kind) => KINDS[kind] ?? `Kind ${kind}`;

export const word = (hex, index) => hex.slice(2 + index * 64, 66 + index * 64);

export const addressIn = (text) => `0x${text.slice(24)}`;

/** A message as an Outbox's event tells it, or null. */
export function sentOf(log) {
  if (log.topics[0] !== SENT_TOPIC || log.topics.length !== 4) return null;
  return {
    id: log.topics[1], destination: Number(BigInt(log.topics[2])), nonce: Number(BigInt(log.topics[3])),
    kind: Number(BigInt(`0x${word(log.data, 0)}`)), sender: addressIn(word(log.data, 1)), to: addressIn(word(log.data, 2)),
    amount: BigInt(`0x${word(log.data, 3)}`), fee: BigInt(`0x${word(log.data, 5)}`),
    block: Number(BigInt(log.blockNumber)), transactionHash: log.transactionHash,
  };
}

/** The string that a call returned (ABI, or 32 bytes as old tokens have it), or null. */
export function stringIn(hex) {
  const bytes = bytesOf(hex);
  if (bytes.length === 32) return textIn(bytes);
  if (bytes.length < 64) return null;
  const length = Number(BigInt(`0x${word(hex, 1)}`));
  return Number(BigInt(`0x${word(hex, 0)}`)) === 32 && length <= bytes.length - 64 ? textIn(bytes.slice(64, 64 + length)) : null;
}

function textIn(bytes) {
  const end = bytes.indexOf(0);
  const text = new TextDecoder().decode(Uint8Array.from(end < 0 ? bytes : bytes.slice(0, end)));
  return text && !text.includes("\ufffd") ? visible(text) : null;
}
