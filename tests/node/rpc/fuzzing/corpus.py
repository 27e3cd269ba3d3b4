"""What is no good request, and the code of the error that it gets."""

from __future__ import annotations

PARSE, REQUEST, METHOD, PARAMS = -32700, -32600, -32601, -32602


def call(inside: bytes = b"", method: bytes = b'"eth_chainId"', identity: bytes = b"1") -> bytes:
    """A request with something in it."""
    return b'{"jsonrpc":"2.0","id":' + identity + b',"method":' + method + inside + b"}"


def of(method: str, params: bytes) -> bytes:
    """A call with its `params` as written."""
    return call(b',"params":' + params, b'"' + method.encode() + b'"')


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """Brackets within brackets."""
    return opening * depth + b"1" + closing * depth


BAD: list[tuple[str, bytes, int]] = [
    # not JSON
    ("nothing", b"", PARSE),
    ("space", b" \t\r\n", PARSE),
    ("half an object", b'{"jsonrpc":"2.0","id":1,"method":"eth_ch', PARSE),
    ("half a string", b'"eth', PARSE),
    ("two requests", call() + call(), PARSE),
    ("a comma too many", b'{"id":1,}', PARSE),
    ("single quotes", b"{'id':1}", PARSE),
    ("a comment", b"/* hello */" + call(), PARSE),
    ("a byte order mark", b"\xef\xbb\xbf" + call(), PARSE),
    ("utf-16", call().decode().encode("utf-16"), PARSE),
    ("utf-32", call().decode().encode("utf-32-le"), PARSE),
    ("overlong utf-8", call(method=b'"\xc0\xaf"'), PARSE),
    ("half a character", call(method=b'"\xe2\x82"'), PARSE),
    ("a lone surrogate as bytes", call(method=b'"\xed\xa0\x80"'), PARSE),
    ("a lone surrogate escaped", call(method=b'"\\ud800"'), PARSE),
    ("a zero byte", call(method=b'"a\x00"'), PARSE),
    ("a line break in a string", call(method=b'"a\n"'), PARSE),
    ("a bad escape", call(method=b'"\\x41"'), PARSE),
    ("not a number", of("eth_getBalance", b"[NaN]"), PARSE),
    ("infinity", of("eth_getBalance", b"[Infinity]"), PARSE),
    ("a number too large", of("eth_getBalance", b"[1e999]"), PARSE),
    ("leading zeros", of("eth_getBalance", b"[007]"), PARSE),
    ("hex without quotes", of("eth_getBalance", b"[0x7]"), PARSE),
    ("deep arrays", of("eth_getBalance", nested(100_000)), PARSE),
    ("deep objects", nested(50_000, b'{"a":', b"}"), PARSE),
    ("deep and unclosed", b"[" * 1_000_000, PARSE),
    ("deep and mixed", of("eth_getBalance", nested(5_000, b'[{"a":', b"}]")), PARSE),
    # not a request
    ("a number", b"42", REQUEST),
    ("a large number", b"9" * 400, REQUEST),
    ("null", b"null", REQUEST),
    ("text", b'"eth_chainId"', REQUEST),
    ("an empty batch", b"[]", REQUEST),
    ("a batch too large", b"[" + b",".join([call()] * 1001) + b"]", REQUEST),
    ("an empty object", b"{}", REQUEST),
    ("no version", b'{"id":1,"method":"eth_chainId"}', REQUEST),
    ("the version as a number", b'{"jsonrpc":2.0,"id":1,"method":"eth_chainId"}', REQUEST),
    ("another version", b'{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}', REQUEST),
    ("keys in capitals", b'{"JSONRPC":"2.0","ID":1}', REQUEST),
    ("no method", b'{"jsonrpc":"2.0","id":1}', REQUEST),
    ("the method null", call(method=b"null"), REQUEST),
    ("the method a number", call(method=b"17"), REQUEST),
    ("the method an array", call(method=b'["eth_chainId"]'), REQUEST),
    ("the method given twice", call(b',"method":5'), REQUEST),
    ("an array as id", call(identity=b"[1]"), REQUEST),
    ("an object as id", call(identity=b'{"a":1}'), REQUEST),
    ("a boolean as id", call(identity=b"true"), REQUEST),
    # no such method
    ("a method without name", call(method=b'""'), METHOD),
    ("another case", call(method=b'"ETH_CHAINID"'), METHOD),
    ("space around", call(method=b'" eth_chainId"'), METHOD),
    ("a name of a megabyte", call(method=b'"' + b"a" * 1_000_000 + b'"'), METHOD),
    ("letters that look alike", call(method='"\u0435th_chainId"'.encode()), METHOD),
    ("the engine's", call(method=b'"engine_newPayloadV4"'), METHOD),
    ("python's", call(method=b'"__class__"'), METHOD),
    ("an escaped zero", call(method=b'"eth\\u0000"'), METHOD),
    # arguments
    ("params a number", of("eth_chainId", b"5"), PARAMS),
    ("params text", of("eth_chainId", b'"0x1"'), PARAMS),
    ("params by name", of("eth_getBalance", b'{"address":"0x00"}'), PARAMS),
    ("params given twice", of("eth_chainId", b'[],"params":[1]'), PARAMS),
    ("too many", of("eth_chainId", b"[1]"), PARAMS),
    ("far too many", of("eth_chainId", b"[" + b"1," * 200_000 + b"1]"), PARAMS),
    ("too few", of("eth_getBalance", b"[]"), PARAMS),
    ("null", of("eth_getBalance", b"[null]"), PARAMS),
    ("a number of 400 digits", of("eth_getBalance", b"[" + b"9" * 400 + b"]"), PARAMS),
    ("a boolean", of("eth_getBalance", b"[true]"), PARAMS),
    ("a quantity without end", of("eth_getBlockByNumber", b'["0x' + b"f" * 1_000_000 + b'",false]'), PARAMS),
    ("a quantity with zeros", of("eth_getBlockByNumber", b'["0x01",false]'), PARAMS),
    ("minus one", of("eth_getBlockByNumber", b'["-0x1",false]'), PARAMS),
    ("digits of another script", of("eth_getBlockByNumber", '["0x\u0661",false]'.encode()), PARAMS),
    ("an address too short", of("eth_getBalance", b'["0x12"]'), PARAMS),
    ("data of odd length", of("web3_sha3", b'["0x1"]'), PARAMS),
    ("data that is no hex", of("eth_sendRawTransaction", b'["0xzz"]'), PARAMS),
    ("a call without form", of("eth_call", b"[7]"), PARAMS),
    ("a deep argument", of("eth_call", b"[" + nested(50) + b"]"), PARAMS),
    ("a filter that is text", of("eth_getLogs", b'["x"]'), PARAMS),
    ("five topics", of("eth_getLogs", b'[{"topics":[null,null,null,null,null]}]'), PARAMS),
    ("both ends and a hash", of("eth_getLogs", b'[{"fromBlock":"0x1","blockHash":"0x' + b"0" * 64 + b'"}]'), PARAMS),
    ("percentiles that fall", of("eth_feeHistory", b'["0x1","latest",[90,10]]'), PARAMS),
    ("a transaction of nothing", of("eth_sendRawTransaction", b'["0x"]'), -32000),
]
"""(what it is, the body, the code)"""
UNUSUAL: list[tuple[str, bytes]] = [
    ("a key that is not known", call(b',"more":{"a":[1,2]}')),
    ("space everywhere", b' \r\n{ "jsonrpc" : "2.0" ,\t"id":1,"method":"eth_chainId" }\n'),
    ("escaped letters", b'{"jsonrpc":"2.0","id":1,"\\u006dethod":"eth_chain\\u0049d"}'),
    ("id given twice", b'{"id":7,"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'),
    ("params null", of("eth_chainId", b"null")),
    ("everything given twice", call(b',"jsonrpc":"2.0","id":1,"method":"eth_chainId"')),
]
"""(what it is, a body that is a good request with id 1 all the same)"""
