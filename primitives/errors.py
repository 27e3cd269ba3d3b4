"""Every error of the project, drawn once.

    ShardnetError
    ├── UserError                 a person must do something; one sentence says what
    │   ├── InvalidConfig         an operator setting
    │   ├── InvalidGenesis        the genesis file
    │   ├── StartupRefused        port in use, foreign or locked data folder
    │   └── StorageFailed         a database that takes no write
    ├── Rejection                 bad input from outside, told apart by `reason`
    │   ├── InvalidEncoding       bytes that are not what they claim to be
    │   ├── InvalidSignature      a key, a proof of possession or a signature
    │   ├── InvalidConsensusMessage
    │   ├── InvalidBlock          a beacon or shard block, or a crosslink in it
    │   ├── InvalidReceipts       a bundle of cross-shard receipts
    │   ├── InvalidProof          a proof that a cross-shard receipt is final
    │   ├── InvalidTransaction    a user transaction
    │   ├── InvalidQuery          a question about blocks or logs
    │   └── InvalidControl        a developer's order to the network
    ├── Interrupted               work of ours stopped by a named limit (time, size)
    └── Unavailable               work not done, whatever was asked; it may be asked again
        ├── Busy                  a bounded queue is full
        ├── ExecutorLost          a shard's executor ended before it answered
        └── QuestionFailed        answering a client met a bug

A bug of ours is an AssertionError and ends the process; it is one of these only where a client's question led to it.
Source: design page STYLE, rules 3 and 4.
"""

from __future__ import annotations

from enum import Enum


class Fault(Enum):
    """Whose fault a network rejection is, for peer scoring."""

    PEER = "peer"
    """The delivering peer could have known; it is scored down."""
    SELF = "self"
    """We are behind, over a limit of our own, or cannot tell because of our own state."""
    UNKNOWN = "unknown"
    """Neither can be blamed, as with messages that race a change of instance."""


class ShardnetError(Exception):
    """The root of every error that is not a bug."""


class UserError(ShardnetError):
    """Something a person must put right; `str(error)` is one sentence that says what to do next."""

    exit_code = 1


class InvalidConfig(UserError):
    """An operator setting is wrong; `field` names it, an option of the command line with its dashes."""

    exit_code = 2

    def __init__(self, field: str, message: str) -> None:
        place = f"option {field}" if field.startswith("--") else f"config field '{field}'"
        super().__init__(f"{place}: {message}" if field else message)
        self.field = field


class InvalidGenesis(UserError):
    """The genesis file is wrong; `field` names the place."""

    exit_code = 2

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"genesis field '{field}': {message}" if field else message)
        self.field = field


class StartupRefused(UserError):
    """A port is in use, or a data folder belongs to another genesis or another process."""

    exit_code = 2


class StorageFailed(UserError):
    """The disk is full or broken: the node ends, for what it says must be on disk first."""


class Reason(Enum):
    """Base of the reason enums; a reason's value is `(code, fault)`."""

    @property
    def code(self) -> str:
        """Short stable name, used as a metric label and in logs."""
        return str(self.value[0])

    @property
    def fault(self) -> Fault:
        """Whose fault the rejection is."""
        fault = self.value[1]
        assert isinstance(fault, Fault)
        return fault


class Rejection(ShardnetError):
    """Bad input, as data: `reason` tells the kind, `message` the particulars."""

    def __init__(self, reason: Reason, message: str = "") -> None:
        super().__init__(f"{reason.code}: {message}" if message else reason.code)
        self.reason = reason
        self.message = message

    @property
    def fault(self) -> Fault:
        """Whose fault it is."""
        return self.reason.fault


class EncodingReason(Reason):
    """Why bytes are not what they claim to be."""

    MALFORMED = ("malformed", Fault.PEER)
    NOT_CANONICAL = ("not_canonical", Fault.PEER)
    TOO_LARGE = ("too_large", Fault.PEER)
    UNKNOWN_KIND = ("unknown_kind", Fault.PEER)


class InvalidEncoding(Rejection):
    """Bytes that do not decode; see `EncodingReason`."""


class PeerReason(Reason):
    """What a peer did on its streams that no honest peer does; reported, not raised (design page LIBP2P)."""

    OVER_RATE = ("over_rate", Fault.PEER)
    """More messages or bytes of a kind than `p2p.limits` allows."""
    MALFORMED_FRAME = ("malformed_frame", Fault.PEER)
    """Bytes on a gossip stream that are no frame."""
    FORGED_MESSAGE = ("forged_message", Fault.PEER)
    """A gossip message whose author did not sign it."""


class SignatureReason(Reason):
    """Why a key or signature is refused."""

    BAD_KEY = ("bad_key", Fault.PEER)
    BAD_SIGNATURE = ("bad_signature", Fault.PEER)


class InvalidSignature(Rejection):
    """A key, signature or proof of possession that does not verify; see `SignatureReason`."""


class ConsensusReason(Reason):
    """Why a vote, certificate, proposal or wake is refused (PROTOCOL 2)."""

    OTHER_INSTANCE = ("other_instance", Fault.UNKNOWN)
    FUTURE_INSTANCE = ("future_instance", Fault.SELF)
    STALE_VIEW = ("stale_view", Fault.UNKNOWN)
    FAR_FUTURE_VIEW = ("far_future_view", Fault.UNKNOWN)
    NOT_IN_COMMITTEE = ("not_in_committee", Fault.PEER)
    MALFORMED_VOTE = ("malformed_vote", Fault.PEER)
    BAD_VOTE_SIGNATURE = ("bad_vote_signature", Fault.PEER)
    BAD_CERTIFICATE = ("bad_certificate", Fault.PEER)
    NO_QUORUM = ("no_quorum", Fault.PEER)
    NOT_THE_LEADER = ("not_the_leader", Fault.PEER)
    PROPOSAL_WITHOUT_VOTE = ("proposal_without_vote", Fault.PEER)
    PARENT_MISMATCH = ("parent_mismatch", Fault.PEER)
    VIEW_MISMATCH = ("view_mismatch", Fault.PEER)
    TOO_MANY_PROPOSALS = ("too_many_proposals", Fault.PEER)
    NOT_A_REPROPOSAL = ("not_a_reproposal", Fault.PEER)


class InvalidConsensusMessage(Rejection):
    """A consensus message that is refused; see `ConsensusReason`."""


class BlockReason(Reason):
    """Why a block or crosslink is invalid, or not voted for (PROTOCOL 3 to 5)."""

    MALFORMED = ("malformed", Fault.PEER)
    WRONG_PARENT = ("wrong_parent", Fault.PEER)
    WRONG_HEIGHT = ("wrong_height", Fault.PEER)
    WRONG_VIEW = ("wrong_view", Fault.PEER)
    WRONG_INSTANCE = ("wrong_instance", Fault.PEER)
    WRONG_PROPOSER = ("wrong_proposer", Fault.PEER)
    WRONG_EPOCH = ("wrong_epoch", Fault.PEER)
    BAD_TIMESTAMP = ("bad_timestamp", Fault.PEER)
    AHEAD_OF_CLOCK = ("ahead_of_clock", Fault.UNKNOWN)
    BAD_RANDAO = ("bad_randao", Fault.PEER)
    BAD_PARENT_CERTIFICATE = ("bad_parent_certificate", Fault.PEER)
    BAD_STATE_ROOT = ("bad_state_root", Fault.PEER)
    BAD_HEADER = ("bad_header", Fault.PEER)
    BAD_BODY = ("bad_body", Fault.PEER)
    BAD_TRANSACTION = ("bad_transaction", Fault.PEER)
    BAD_INBOUND = ("bad_inbound", Fault.PEER)
    BAD_REFERENCE = ("bad_reference", Fault.PEER)
    REFERENCE_TOO_OLD = ("reference_too_old", Fault.UNKNOWN)
    CENSORS_RECEIPTS = ("censors_receipts", Fault.UNKNOWN)
    BAD_CROSSLINK = ("bad_crosslink", Fault.PEER)
    BAD_EVIDENCE = ("bad_evidence", Fault.PEER)
    CONTAINMENT = ("containment", Fault.PEER)
    NOT_BUILT_YET = ("not_built_yet", Fault.PEER)
    AFTER_BOUNDARY = ("after_boundary", Fault.UNKNOWN)
    SUPPLY_MISMATCH = ("supply_mismatch", Fault.PEER)
    NOT_EXECUTABLE = ("not_executable", Fault.UNKNOWN)
    """Executors were lost over it again and again."""


class InvalidBlock(Rejection):
    """A block that must not be voted for; see `BlockReason`."""


class ReceiptsReason(Reason):
    """Why a bundle of cross-shard receipts is refused (PROTOCOL 6)."""

    EMPTY = ("empty", Fault.PEER)
    WRONG_CHANNEL = ("wrong_channel", Fault.PEER)
    NOT_CONTIGUOUS = ("not_contiguous", Fault.PEER)
    DOES_NOT_FOLD = ("does_not_fold", Fault.PEER)


class InvalidReceipts(Rejection):
    """A bundle that is not taken in; see `ReceiptsReason`."""


class ProofReason(Reason):
    """Why a proof that a cross-shard receipt is final proves nothing, or cannot be made (docs/decisions/0012)."""

    MALFORMED = ("malformed", Fault.PEER)
    NOT_RECORDED = ("not_recorded", Fault.PEER)
    DOES_NOT_FOLD = ("does_not_fold", Fault.PEER)
    BAD_BRANCH = ("bad_branch", Fault.PEER)
    BROKEN_CHAIN = ("broken_chain", Fault.PEER)
    BAD_CERTIFICATE = ("bad_certificate", Fault.PEER)
    BAD_HANDOVER = ("bad_handover", Fault.PEER)
    TOO_LARGE = ("too_large", Fault.SELF)
    """More than a proof may hold, when one is made."""


class InvalidProof(Rejection):
    """A proof that proves nothing, or would be too large; see `ProofReason`."""


class TransactionReason(Reason):
    """Why a user transaction is refused; the RPC layer maps these to the codes and words of docs/json-rpc.md."""

    MALFORMED = ("malformed", Fault.PEER)
    UNSUPPORTED_TYPE = ("unsupported_type", Fault.PEER)
    BAD_SIGNATURE = ("bad_signature", Fault.PEER)
    WRONG_CHAIN_ID = ("wrong_chain_id", Fault.PEER)
    NONCE_TOO_LOW = ("nonce_too_low", Fault.UNKNOWN)
    NONCE_TOO_HIGH = ("nonce_too_high", Fault.UNKNOWN)
    NONCE_MAX = ("nonce_max", Fault.PEER)
    INSUFFICIENT_FUNDS = ("insufficient_funds", Fault.UNKNOWN)
    INTRINSIC_GAS = ("intrinsic_gas", Fault.PEER)
    GAS_LIMIT = ("exceeds_block_gas_limit", Fault.PEER)
    FEE_BELOW_BASE = ("fee_below_base", Fault.UNKNOWN)
    TIP_ABOVE_FEE = ("tip_above_fee", Fault.PEER)
    FEE_OVERFLOW = ("fee_overflow", Fault.PEER)
    SENDER_HAS_CODE = ("sender_has_code", Fault.UNKNOWN)
    INIT_CODE_SIZE = ("init_code_size", Fault.PEER)
    AUTHORIZATION_LIST = ("authorization_list", Fault.PEER)
    ALREADY_KNOWN = ("already_known", Fault.UNKNOWN)
    REPLACEMENT_UNDERPRICED = ("replacement_underpriced", Fault.UNKNOWN)
    UNDERPRICED = ("underpriced", Fault.UNKNOWN)
    POOL_FULL = ("pool_full", Fault.SELF)
    SENDER_LIMIT = ("sender_limit", Fault.UNKNOWN)
    TOO_LARGE = ("too_large", Fault.PEER)
    TOO_SLOW = ("too_slow", Fault.UNKNOWN)


class InvalidTransaction(Rejection):
    """A user transaction that is refused; see `TransactionReason`. `details` holds the figures of the message (wei, gas, nonces)."""

    def __init__(self, reason: TransactionReason, message: str = "", **details: int) -> None:
        super().__init__(reason, message)
        self.details = details


class QueryReason(Reason):
    """Why a question about blocks or logs is refused; the RPC layer maps these to the words of docs/json-rpc.md."""

    BAD_RANGE = ("bad_range", Fault.PEER)
    BEYOND_HEAD = ("beyond_head", Fault.PEER)
    UNKNOWN_BLOCK = ("unknown_block", Fault.UNKNOWN)
    OVER_LIMIT = ("over_limit", Fault.PEER)


class InvalidQuery(Rejection):
    """A question that is refused; see `QueryReason`."""


class ControlReason(Reason):
    """Why a developer's order to the network is not carried out (docs/decisions/0015)."""

    NOT_GRANTED = ("not_granted", Fault.PEER)
    """Genesis gives no such controls: several validators may have to agree."""
    NOT_ALONE = ("not_alone", Fault.PEER)
    """This node does not hold the network's validators."""
    BAD_TIME = ("bad_time", Fault.PEER)
    """Before the newest block, or too far ahead."""
    TOO_MANY_BLOCKS = ("too_many_blocks", Fault.PEER)
    IMPOSSIBLE = ("impossible", Fault.PEER)
    """An account cannot be made what is wanted, or acted as."""
    TOO_MANY_SNAPSHOTS = ("too_many_snapshots", Fault.PEER)
    SNAPSHOTS_TOO_LARGE = ("snapshots_too_large", Fault.PEER)
    TOO_MANY_ACCOUNTS = ("too_many_accounts", Fault.PEER)
    NOT_IMPERSONATED = ("not_impersonated", Fault.PEER)
    """A transaction without a signature wants an account that is impersonated here."""


class InvalidControl(Rejection):
    """An order that is not carried out; see `ControlReason`. Its message is one sentence for whoever gave it."""


class Interrupted(ShardnetError):
    """Work of ours that a named limit stopped; `limit` is the limit's name."""

    def __init__(self, limit: str, message: str = "") -> None:
        super().__init__(message or limit)
        self.limit = limit


class Unavailable(ShardnetError):
    """Work that was not done, whatever was asked; it may be asked again."""


class Busy(Unavailable):
    """A bounded queue is full; `limit` names it."""

    def __init__(self, limit: str, message: str = "") -> None:
        super().__init__(message or f"busy: {limit} reached")
        self.limit = limit


class ExecutorLost(Unavailable):
    """A shard's executor ended before it answered; block work may have been done or not, and may be repeated."""


class QuestionFailed(Unavailable):
    """Answering a client's question met a bug; the executor's log has it whole, and nobody else is held up."""
