"""Every reason to refuse something has a fault, a place that gives it and a test that provokes it (STYLE 3 and 4)."""

import ast
import functools
from pathlib import Path

import pytest

import primitives.errors as errors
from primitives.errors import (
    BlockReason,
    ConsensusReason,
    ControlReason,
    EncodingReason,
    Fault,
    PeerReason,
    ProofReason,
    QueryReason,
    Reason,
    ReceiptsReason,
    SignatureReason,
    TransactionReason,
)

ROOT = Path(__file__).parents[1]
PACKAGES = ("primitives", "consensus", "shard", "p2p", "node")
PROVOKED = {
    EncodingReason.MALFORMED: (Fault.PEER, "p2p/test_messages.py", "test_a_known_kind_with_other_bytes_is_malformed"),
    EncodingReason.NOT_CANONICAL: (Fault.PEER, "primitives/test_headers.py", "test_numbers_are_canonical_and_bounded"),
    EncodingReason.TOO_LARGE: (Fault.PEER, "primitives/test_ssz.py", "test_too_long_is_not_even_looked_at"),
    EncodingReason.UNKNOWN_KIND: (Fault.PEER, "p2p/test_messages.py", "test_an_unknown_kind_of_request_is_the_peers_fault"),
    PeerReason.OVER_RATE: (
        Fault.PEER, "p2p/adapter/test_hostile_rates.py",
        "test_messages_past_the_rate_are_dropped_before_anything_is_verified",
    ),
    PeerReason.MALFORMED_FRAME: (
        Fault.PEER, "p2p/adapter/test_hostile_rates.py",
        "test_malformed_frames_forged_and_oversized_messages_are_held_against_the_deliverer",
    ),
    PeerReason.FORGED_MESSAGE: (
        Fault.PEER, "p2p/adapter/test_hostile_rates.py",
        "test_malformed_frames_forged_and_oversized_messages_are_held_against_the_deliverer",
    ),
    SignatureReason.BAD_KEY: (Fault.PEER, "primitives/test_bls.py", "test_bad_secret_keys"),
    SignatureReason.BAD_SIGNATURE: (Fault.PEER, "primitives/test_bls.py", "test_aggregates"),
    ConsensusReason.OTHER_INSTANCE: (Fault.UNKNOWN, "consensus/simplex/test_messages.py", "test_refusals_say_why_and_whose_fault"),
    ConsensusReason.FUTURE_INSTANCE: (Fault.SELF, "consensus/simplex/test_messages.py", "test_refusals_say_why_and_whose_fault"),
    ConsensusReason.STALE_VIEW: (Fault.UNKNOWN, "consensus/simplex/test_messages.py", "test_votes_below_the_floor_are_stale"),
    ConsensusReason.FAR_FUTURE_VIEW: (Fault.UNKNOWN, "consensus/simplex/test_messages.py", "test_refusals_say_why_and_whose_fault"),
    ConsensusReason.NOT_IN_COMMITTEE: (Fault.PEER, "consensus/simplex/test_messages.py", "test_refusals_say_why_and_whose_fault"),
    ConsensusReason.MALFORMED_VOTE: (Fault.PEER, "consensus/simplex/test_messages.py", "test_refusals_say_why_and_whose_fault"),
    ConsensusReason.BAD_VOTE_SIGNATURE: (
        Fault.PEER, "consensus/simplex/test_finality.py",
        "test_votes_of_an_old_instance_count_for_nothing",
    ),
    ConsensusReason.BAD_CERTIFICATE: (Fault.PEER, "consensus/test_committee.py", "test_a_certificate_holds_and_is_verified_once"),
    ConsensusReason.NO_QUORUM: (Fault.PEER, "consensus/test_committee.py", "test_no_quorum_and_another_genesis"),
    ConsensusReason.NOT_THE_LEADER: (Fault.PEER, "consensus/simplex/test_messages.py", "test_refusals_say_why_and_whose_fault"),
    ConsensusReason.PROPOSAL_WITHOUT_VOTE: (Fault.PEER, "consensus/simplex/test_messages.py", "test_refusals_say_why_and_whose_fault"),
    ConsensusReason.PARENT_MISMATCH: (Fault.PEER, "consensus/simplex/test_messages.py", "test_refusals_say_why_and_whose_fault"),
    ConsensusReason.VIEW_MISMATCH: (
        Fault.PEER, "consensus/simplex/test_proposals.py",
        "test_a_block_of_another_view_and_a_block_above_a_boundary_are_nullified",
    ),
    ConsensusReason.TOO_MANY_PROPOSALS: (Fault.PEER, "consensus/simplex/test_messages.py", "test_a_fourth_block_of_one_view_is_refused"),
    ConsensusReason.NOT_A_REPROPOSAL: (
        Fault.PEER, "consensus/simplex/test_proposals.py",
        "test_a_block_of_another_view_and_a_block_above_a_boundary_are_nullified",
    ),
    BlockReason.MALFORMED: (Fault.PEER, "node/core/test_hostile_answers.py", "test_a_range_without_its_finalization"),
    BlockReason.WRONG_PARENT: (Fault.PEER, "consensus/beacon/test_transition.py", "test_a_wrong_field_is_refused_and_blames_the_peer"),
    BlockReason.WRONG_HEIGHT: (Fault.PEER, "consensus/beacon/test_transition.py", "test_a_wrong_field_is_refused_and_blames_the_peer"),
    BlockReason.WRONG_VIEW: (Fault.PEER, "consensus/beacon/test_transition.py", "test_a_view_not_above_the_parents_is_refused"),
    BlockReason.WRONG_INSTANCE: (Fault.PEER, "consensus/beacon/test_crosslinks.py", "test_finalization_of_another_instance"),
    BlockReason.WRONG_PROPOSER: (Fault.PEER, "consensus/beacon/test_transition.py", "test_only_the_views_leader_may_propose"),
    BlockReason.WRONG_EPOCH: (Fault.PEER, "consensus/beacon/test_transition.py", "test_a_wrong_field_is_refused_and_blames_the_peer"),
    BlockReason.BAD_TIMESTAMP: (Fault.PEER, "consensus/beacon/test_transition.py", "test_a_wrong_field_is_refused_and_blames_the_peer"),
    BlockReason.AHEAD_OF_CLOCK: (Fault.UNKNOWN, "node/core/test_refused_votes.py", "test_a_timestamp_ahead_of_the_clock"),
    BlockReason.BAD_RANDAO: (Fault.PEER, "consensus/beacon/test_transition.py", "test_a_reveal_of_another_height_or_validator_is_refused"),
    BlockReason.BAD_PARENT_CERTIFICATE: (
        Fault.PEER, "consensus/beacon/test_transition.py",
        "test_a_parent_certificate_that_says_something_else_is_refused",
    ),
    BlockReason.BAD_STATE_ROOT: (Fault.PEER, "consensus/beacon/test_transition.py", "test_a_wrong_field_is_refused_and_blames_the_peer"),
    BlockReason.BAD_HEADER: (Fault.PEER, "shard/executor/test_executor.py", "test_every_wrong_header_field_has_its_reason"),
    BlockReason.BAD_BODY: (Fault.PEER, "node/core/test_hostile_answers.py", "test_a_body_of_another_block"),
    BlockReason.BAD_TRANSACTION: (
        Fault.PEER, "shard/executor/test_executor.py",
        "test_a_transaction_that_cannot_be_there_makes_the_block_invalid",
    ),
    BlockReason.BAD_INBOUND: (Fault.PEER, "shard/test_inbound.py", "test_what_is_changed_fails_the_check"),
    BlockReason.BAD_REFERENCE: (Fault.PEER, "shard/executor/test_executor.py", "test_every_wrong_header_field_has_its_reason"),
    BlockReason.REFERENCE_TOO_OLD: (Fault.UNKNOWN, "node/core/test_refused_votes.py", "test_a_reference_that_lies_too_far_back"),
    BlockReason.CENSORS_RECEIPTS: (Fault.UNKNOWN, "node/core/test_refused_votes.py", "test_receipts_marked_missing_that_are_here"),
    BlockReason.BAD_CROSSLINK: (Fault.PEER, "consensus/beacon/test_crosslinks.py", "test_header_out_of_bounds"),
    BlockReason.BAD_EVIDENCE: (Fault.PEER, "consensus/beacon/test_evidence.py", "test_every_other_form_is_refused"),
    BlockReason.CONTAINMENT: (
        Fault.PEER, "consensus/beacon/test_properties.py",
        "test_a_corrupted_shard_takes_no_more_than_its_own_and_what_is_on_its_way_to_it",
    ),
    BlockReason.NOT_BUILT_YET: (Fault.PEER, "consensus/beacon/test_transition.py", "test_a_wrong_field_is_refused_and_blames_the_peer"),
    BlockReason.AFTER_BOUNDARY: (
        Fault.UNKNOWN, "simulation/test_instances.py", "test_once_an_instance_should_have_ended_only_its_boundary_is_voted_for",
    ),
    BlockReason.SUPPLY_MISMATCH: (
        Fault.PEER, "consensus/beacon/test_transition.py",
        "test_a_state_whose_supply_does_not_add_up_accepts_nothing",
    ),
    BlockReason.NOT_EXECUTABLE: (Fault.UNKNOWN, "node/core/test_hostile_answers.py", "test_a_block_that_no_executor_survives_is_given_up"),
    ReceiptsReason.EMPTY: (Fault.PEER, "node/core/test_channels.py", "test_form"),
    ReceiptsReason.WRONG_CHANNEL: (Fault.PEER, "node/core/test_channels.py", "test_form"),
    ReceiptsReason.NOT_CONTIGUOUS: (Fault.PEER, "node/core/test_channels.py", "test_form"),
    ReceiptsReason.DOES_NOT_FOLD: (
        Fault.PEER, "node/core/test_channels.py",
        "test_a_page_that_does_not_fold_is_refused_and_the_peer_is_to_blame",
    ),
    ProofReason.MALFORMED: (
        Fault.PEER, "consensus/beacon/test_receipt_proof.py",
        "test_bytes_that_are_no_proof_and_those_over_the_limit_are_malformed",
    ),
    ProofReason.NOT_RECORDED: (Fault.PEER, "consensus/beacon/test_receipt_proof.py", "test_what_the_crosslink_does_not_record_is_refused"),
    ProofReason.DOES_NOT_FOLD: (Fault.PEER, "consensus/beacon/test_receipt_proof.py", "test_what_does_not_fold_is_refused"),
    ProofReason.BAD_BRANCH: (Fault.PEER, "consensus/beacon/test_receipt_proof.py", "test_a_crosslink_that_is_not_in_the_block_is_refused"),
    ProofReason.BROKEN_CHAIN: (Fault.PEER, "consensus/beacon/test_receipt_proof.py", "test_blocks_that_are_no_chain_are_refused"),
    ProofReason.BAD_CERTIFICATE: (Fault.PEER, "consensus/beacon/test_receipt_proof.py", "test_a_block_that_is_not_final_is_refused"),
    ProofReason.BAD_HANDOVER: (
        Fault.PEER, "consensus/beacon/test_receipt_proof.py",
        "test_a_set_that_is_no_committee_after_the_last_is_refused",
    ),
    ProofReason.TOO_LARGE: (Fault.SELF, "consensus/beacon/test_receipt_proof.py", "test_what_would_be_too_large_is_not_made"),
    TransactionReason.MALFORMED: (Fault.PEER, "shard/transactions/test_decoding.py", "test_malformed"),
    TransactionReason.UNSUPPORTED_TYPE: (Fault.PEER, "shard/transactions/test_decoding.py", "test_unsupported_types"),
    TransactionReason.BAD_SIGNATURE: (Fault.PEER, "shard/transactions/test_decoding.py", "test_signature_values_out_of_range"),
    TransactionReason.WRONG_CHAIN_ID: (Fault.PEER, "shard/transactions/test_checks.py", "test_wrong_chain_id_in_geths_words"),
    TransactionReason.NONCE_TOO_LOW: (Fault.UNKNOWN, "shard/transactions/test_checks.py", "test_nonces"),
    TransactionReason.NONCE_TOO_HIGH: (Fault.UNKNOWN, "shard/transactions/test_checks.py", "test_nonces"),
    TransactionReason.NONCE_MAX: (
        Fault.PEER, "shard/transactions/test_decoding.py",
        "test_numbers_have_no_leading_zeros_and_stay_in_range",
    ),
    TransactionReason.INSUFFICIENT_FUNDS: (Fault.UNKNOWN, "shard/transactions/test_checks.py", "test_fee_over_256_bits"),
    TransactionReason.INTRINSIC_GAS: (Fault.PEER, "shard/transactions/test_checks.py", "test_intrinsic_and_floor_gas"),
    TransactionReason.GAS_LIMIT: (Fault.PEER, "shard/transactions/test_checks.py", "test_gas_over_the_block"),
    TransactionReason.FEE_BELOW_BASE: (Fault.UNKNOWN, "shard/transactions/test_checks.py", "test_fee_below_base"),
    TransactionReason.TIP_ABOVE_FEE: (Fault.PEER, "shard/transactions/test_checks.py", "test_tip_above_fee"),
    TransactionReason.FEE_OVERFLOW: (Fault.PEER, "shard/transactions/test_checks.py", "test_fee_over_256_bits"),
    TransactionReason.SENDER_HAS_CODE: (Fault.UNKNOWN, "shard/transactions/test_checks.py", "test_a_contract_does_not_send"),
    TransactionReason.INIT_CODE_SIZE: (Fault.PEER, "shard/transactions/test_checks.py", "test_init_code_size"),
    TransactionReason.AUTHORIZATION_LIST: (Fault.PEER, "shard/transactions/test_checks.py", "test_authorization_rules"),
    TransactionReason.ALREADY_KNOWN: (Fault.UNKNOWN, "shard/pool/test_pool.py", "test_already_known"),
    TransactionReason.REPLACEMENT_UNDERPRICED: (Fault.UNKNOWN, "shard/pool/test_pool.py", "test_replacement_needs_a_bump_of_both"),
    TransactionReason.UNDERPRICED: (Fault.UNKNOWN, "shard/pool/test_pool.py", "test_full_of_dearer_ones"),
    TransactionReason.POOL_FULL: (Fault.SELF, "shard/pool/test_pool.py", "test_full_and_not_executable"),
    TransactionReason.SENDER_LIMIT: (Fault.UNKNOWN, "shard/pool/test_pool.py", "test_sender_limit"),
    TransactionReason.TOO_LARGE: (Fault.PEER, "shard/transactions/test_decoding.py", "test_too_large"),
    TransactionReason.TOO_SLOW: (Fault.UNKNOWN, "shard/pool/test_pool.py", "test_too_slow_ones_stay_out"),
    QueryReason.BAD_RANGE: (Fault.PEER, "shard/executor/test_reads.py", "test_log_ranges_that_are_refused"),
    QueryReason.BEYOND_HEAD: (Fault.PEER, "shard/executor/test_reads.py", "test_log_ranges_that_are_refused"),
    QueryReason.UNKNOWN_BLOCK: (
        Fault.UNKNOWN, "node/rpc/subscriptions/test_filters.py",
        "test_what_could_not_be_read_is_told_with_the_next_answer",
    ),
    QueryReason.OVER_LIMIT: (Fault.PEER, "node/rpc/subscriptions/test_filters.py", "test_more_logs_than_an_answer_holds_come_in_parts"),
    ControlReason.NOT_GRANTED: (Fault.PEER, "node/test_controls.py", "test_where_several_validators_must_agree_nobody_has_controls"),
    ControlReason.NOT_ALONE: (Fault.PEER, "node/test_controls.py", "test_a_node_that_only_follows_has_no_controls"),
    ControlReason.BAD_TIME: (Fault.PEER, "node/test_controls.py", "test_time_goes_on_and_ends_with_the_year_9999"),
    ControlReason.TOO_MANY_BLOCKS: (Fault.PEER, "node/test_controls.py", "test_an_order_is_bounded"),
    ControlReason.IMPOSSIBLE: (Fault.PEER, "node/test_impersonated.py", "test_nobody_acts_as_the_protocol_does"),
    ControlReason.TOO_MANY_SNAPSHOTS: (Fault.PEER, "node/test_snapshots.py", "test_there_are_not_too_many_nor_too_large_ones"),
    ControlReason.SNAPSHOTS_TOO_LARGE: (Fault.PEER, "node/test_snapshots.py", "test_there_are_not_too_many_nor_too_large_ones"),
    ControlReason.TOO_MANY_ACCOUNTS: (Fault.PEER, "node/test_impersonated.py", "test_there_is_a_limit"),
    ControlReason.NOT_IMPERSONATED: (Fault.PEER, "node/test_impersonated.py", "test_who_is_not_impersonated_signs"),
}  # fmt: skip
"""By reason: whose fault it is, and the test under `tests/` that provokes it."""
REASONS = [reason for kind in Reason.__subclasses__() for reason in kind]


def name_of(reason):
    return f"{type(reason).__name__}.{reason.name}"


@functools.cache
def parse(path):
    return ast.parse(path.read_text())


def mentioned(tree, nodes):
    """Reasons named in `nodes`, also by another name that the module gives a kind of reason."""
    kinds = {kind.__name__: kind.__name__ for kind in Reason.__subclasses__()}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in kinds:
            kinds |= {target.id: kinds[node.value.id] for target in node.targets if isinstance(target, ast.Name)}
    attributes = [found for node in nodes for found in ast.walk(node) if isinstance(found, ast.Attribute)]
    named = [found for found in attributes if isinstance(found.value, ast.Name) and found.value.id in kinds]
    return {f"{kinds[found.value.id]}.{found.attr}" for found in named}


def parts_of_test(tree, name):
    """A test function, and the tables of its module that it names."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name]
    used = {found.id for function in functions for found in ast.walk(function) if isinstance(found, ast.Name)}
    tables = [node for node in tree.body if isinstance(node, ast.Assign) and {t.id for t in node.targets if isinstance(t, ast.Name)} & used]
    return functions, functions + tables


def test_the_table_has_every_reason_and_no_other():
    assert [name_of(reason) for reason in PROVOKED] == [name_of(reason) for reason in REASONS]
    assert len({kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Reason)}) == 1 + len(
        Reason.__subclasses__()
    )


@pytest.mark.parametrize("reason", REASONS, ids=name_of)
def test_a_reason_has_its_fault_and_a_test_that_provokes_it(reason):
    fault, file, test = PROVOKED[reason]
    assert reason.fault is fault
    tree = parse(ROOT / "tests" / file)
    functions, parts = parts_of_test(tree, test)
    assert len(functions) == 1, f"{file} has no {test}"
    assert name_of(reason) in mentioned(tree, parts)


def test_every_reason_is_given_somewhere_and_codes_differ_within_a_kind():
    given = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if path != ROOT / "primitives" / "errors.py":
                given |= mentioned(parse(path), [parse(path)])
    assert {name_of(reason) for reason in REASONS} - given == set()
    for kind in Reason.__subclasses__():
        assert len({reason.code for reason in kind}) == len(kind)
