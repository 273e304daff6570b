"""The block pool as a state machine, and what prefixes may and may not be found."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from whalefall.engine.kv_cache import BlockContent, BlockPool, CacheSequence, KVCacheManager

BLOCK_SIZE = 4


def manager(num_blocks: int = 16, identity: str = "model") -> KVCacheManager:
    return KVCacheManager(num_blocks, BLOCK_SIZE, identity)


def computed(cache: KVCacheManager, namespace: str, token_ids: list[int]) -> CacheSequence:
    """A sequence whose tokens have all been computed."""
    sequence = cache.new_sequence(namespace)
    prefix = cache.find_prefix(sequence, token_ids)
    assert cache.begin(sequence, prefix, len(token_ids))
    cache.publish(sequence, token_ids, len(token_ids))
    return sequence


def num_hit(cache: KVCacheManager, namespace: str, token_ids: list[int]) -> int:
    return len(cache.find_prefix(cache.new_sequence(namespace), token_ids))


def test_prefix_is_found_in_whole_blocks_and_leaves_one_token() -> None:
    cache = manager()
    tokens = list(range(12))
    computed(cache, "a", tokens)
    assert num_hit(cache, "a", tokens) == 2
    assert num_hit(cache, "a", [*tokens, 99]) == 3
    assert num_hit(cache, "a", tokens[:4]) == 0
    assert num_hit(cache, "a", tokens[:7]) == 1
    assert num_hit(cache, "a", [99, *tokens]) == 0


def test_prefix_stops_at_the_first_differing_block() -> None:
    cache = manager()
    computed(cache, "a", list(range(12)))
    assert num_hit(cache, "a", [0, 1, 2, 3, 4, 5, 6, 99, 8, 9, 10, 11, 12]) == 1


@pytest.mark.parametrize("other", ["b", "", "a ", "a\x00", "A", "\udcff"])
def test_prefix_of_another_namespace_is_never_found(other: str) -> None:
    cache = manager()
    tokens = list(range(12))
    computed(cache, "a", tokens)
    assert num_hit(cache, other, [*tokens, 1]) == 0


def test_namespace_and_identity_cannot_be_shifted_into_each_other() -> None:
    one = KVCacheManager(4, BLOCK_SIZE, "model1").new_sequence("2").root
    other = KVCacheManager(4, BLOCK_SIZE, "model").new_sequence("12").root
    assert one != other


def test_block_is_found_only_once_it_is_full_and_computed() -> None:
    cache = manager()
    tokens = list(range(9))
    sequence = cache.new_sequence("a")
    assert cache.begin(sequence, [], len(tokens))
    assert num_hit(cache, "a", tokens) == 0
    cache.publish(sequence, tokens, 3)
    assert num_hit(cache, "a", tokens) == 0
    cache.publish(sequence, tokens, 7)
    assert num_hit(cache, "a", tokens) == 1


def test_token_ids_are_compared_although_the_key_matches() -> None:
    pool = BlockPool(2)
    block_id = pool.allocate(b"root")
    pool.publish(block_id, BlockContent(b"key", b"root", b"tokens"))
    assert pool.find(BlockContent(b"key", b"root", b"tokens")) == block_id
    assert pool.find(BlockContent(b"key", b"root", b"others")) is None
    assert pool.find(BlockContent(b"key", b"toor", b"tokens")) is None


def test_freed_prefix_stays_findable_and_its_tail_is_evicted_first() -> None:
    cache = manager(num_blocks=4)
    tokens = list(range(16))
    sequence = computed(cache, "a", tokens)
    cache.end(sequence)
    assert cache.pool.num_free == 4
    cache.pool.allocate(b"root")
    assert num_hit(cache, "a", [*tokens, 1]) == 3
    cache.pool.allocate(b"root")
    assert num_hit(cache, "a", [*tokens, 1]) == 2


def test_a_busy_namespace_does_not_push_another_below_an_equal_share() -> None:
    cache = manager(num_blocks=8)
    quiet = list(range(16))
    cache.end(computed(cache, "quiet", quiet))
    for start in range(0, 4000, 40):
        cache.end(computed(cache, "busy", list(range(start, start + 16))))
    assert num_hit(cache, "quiet", [*quiet, 1]) == 4


def test_equal_blocks_computed_twice_are_published_once() -> None:
    cache = manager()
    tokens = list(range(8))
    one, other = cache.new_sequence("a"), cache.new_sequence("a")
    for sequence in (one, other):
        assert cache.begin(sequence, [], 8)
    for sequence in (one, other):
        cache.publish(sequence, tokens, 8)
    assert cache.pool.num_cached == 2
    cache.end(one)
    cache.end(other)
    cache.pool.check()
    assert num_hit(cache, "a", [*tokens, 1]) == 2


def test_begin_takes_nothing_when_it_does_not_fit() -> None:
    cache = manager(num_blocks=4)
    cache.end(computed(cache, "a", list(range(16))))
    held = cache.new_sequence("b")
    assert cache.begin(held, [], 8)
    sequence = cache.new_sequence("a")
    tokens = [*range(16), 1]
    prefix = cache.find_prefix(sequence, tokens)
    assert not cache.begin(sequence, prefix, len(tokens))
    assert sequence.block_table == []
    cache.pool.check([held.block_table])


@pytest.mark.parametrize(("num_blocks", "block_size"), [(0, 4), (-1, 4), (4, 0)])
def test_impossible_sizes_are_refused(num_blocks: int, block_size: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        KVCacheManager(num_blocks, block_size, "model")


class BlockPoolMachine(RuleBasedStateMachine):
    """Sequences over a tiny alphabet come, grow and go in any order. A shadow of every block's
    tokens checks that a prefix hit always leads to exactly the tokens that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = manager(num_blocks=7)
        self.running: list[tuple[str, list[int], CacheSequence]] = []
        self.shadow: dict[int, tuple[str, tuple[int, ...]]] = {}

    @rule(
        namespace=st.sampled_from(["a", "b", "c"]),
        tokens=st.lists(st.integers(0, 1), min_size=1, max_size=14),
    )
    def begin(self, namespace: str, tokens: list[int]) -> None:
        sequence = self.cache.new_sequence(namespace)
        prefix = self.cache.find_prefix(sequence, tokens)
        assert len(prefix) * BLOCK_SIZE < len(tokens)
        for index, block_id in enumerate(prefix):
            end = (index + 1) * BLOCK_SIZE
            assert self.shadow[block_id] == (namespace, tuple(tokens[:end]))
        num_free = self.cache.pool.num_free
        taken = self.cache.num_blocks_taken(prefix, len(tokens))
        did_fit = self.cache.begin(sequence, prefix, len(tokens))
        assert did_fit == (taken <= num_free)
        if did_fit:
            assert self.cache.pool.num_free == num_free - taken
            self.running.append((namespace, tokens, sequence))
            self._compute(namespace, tokens, sequence)

    @precondition(lambda self: self.running)
    @rule(index=st.integers(0, 99), tokens=st.lists(st.integers(0, 1), min_size=1, max_size=5))
    def grow(self, index: int, tokens: list[int]) -> None:
        namespace, known, sequence = self.running[index % len(self.running)]
        if self.cache.grow(sequence, len(known) + len(tokens)):
            known.extend(tokens)
            self._compute(namespace, known, sequence)

    @precondition(lambda self: self.running)
    @rule(index=st.integers(0, 99))
    def end(self, index: int) -> None:
        _, _, sequence = self.running.pop(index % len(self.running))
        self.cache.end(sequence)

    def _compute(self, namespace: str, tokens: list[int], sequence: CacheSequence) -> None:
        for index in range(sequence.num_published, len(sequence.block_table)):
            end = (index + 1) * BLOCK_SIZE
            self.shadow[sequence.block_table[index]] = (namespace, tuple(tokens[:end]))
        self.cache.publish(sequence, tokens, len(tokens))

    @invariant()
    def nothing_is_lost_or_shared_wrongly(self) -> None:
        tables = [sequence.block_table for _, _, sequence in self.running]
        self.cache.pool.check(tables)
        users = Counter(block_id for table in tables for block_id in table)
        assert self.cache.pool.num_free == 7 - len(users)
        if not self.running:
            assert self.cache.pool.num_free == 7


BlockPoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
test_block_pool_state_machine = BlockPoolMachine.TestCase
