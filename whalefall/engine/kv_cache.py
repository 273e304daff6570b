"""Which block of the cache belongs to whom: counting references, finding prefixes, evicting.

Blocks are numbers here. This module must not know tensors, requests or the model: it hands out
block ids, remembers which full blocks hold which tokens, and takes blocks back.

A full block is found again by a key: SHA-256 over the parent's key and the block's token ids, the
first parent being the digest of a namespace. Equal keys therefore mean equal prefixes of one
namespace, and the token ids are compared as well before a block is shared."""

from __future__ import annotations

import hashlib
import heapq
from array import array
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

LAYOUT_VERSION = 1
"""Raise it when the bytes inside a block change their meaning."""


@dataclass(frozen=True, slots=True)
class BlockContent:
    """What a full block holds. `token_bytes` are its ids as little int32s; `root` its namespace."""

    key: bytes
    root: bytes
    token_bytes: bytes


class BlockPool:
    """All blocks, each in exactly one of three states: in use (counted references), free and
    forgotten, or free but cached (its content may still be shared, until it is evicted).

    Eviction takes forgotten blocks first, then the least recently used cached block of the
    namespace that holds most blocks, those in use included. So a namespace pushes out another's
    cache only while that other one holds more: nobody is driven below an equal share."""

    def __init__(self, num_blocks: int) -> None:
        if num_blocks < 1:
            raise ValueError(f"a block pool needs at least one block, not {num_blocks}")
        self.num_blocks = num_blocks
        self._ref_counts = [0] * num_blocks
        self._owners: list[bytes] = [b""] * num_blocks
        self._contents: list[BlockContent | None] = [None] * num_blocks
        self._block_by_key: dict[bytes, int] = {}
        self._forgotten: deque[int] = deque(range(num_blocks))
        self._evictable = _FairEvictionOrder()

    @property
    def num_free(self) -> int:
        """Blocks that `allocate` can hand out, cached ones included."""
        return len(self._forgotten) + len(self._evictable)

    @property
    def num_cached(self) -> int:
        """Blocks whose content can be found, in use or free."""
        return len(self._block_by_key)

    def allocate(self, root: bytes) -> int:
        """A block for this namespace, with one reference. The caller has checked `num_free`."""
        assert self.num_free > 0, "the block pool is empty"
        block_id = self._forgotten.popleft() if self._forgotten else self._evict(root)
        assert self._ref_counts[block_id] == 0
        self._ref_counts[block_id] = 1
        self._owners[block_id] = root
        self._evictable.count(root, 1)
        return block_id

    def find(self, content: BlockContent) -> int | None:
        """The block that holds exactly this, or None."""
        block_id = self._block_by_key.get(content.key)
        if block_id is None or self._contents[block_id] != content:
            return None
        return block_id

    def share(self, block_id: int) -> None:
        """Take one more reference on a block that `find` returned."""
        if self._ref_counts[block_id] == 0:
            assert self._contents[block_id] is not None, "a forgotten block cannot be shared"
            self._evictable.remove(block_id, self._owners[block_id])
        self._ref_counts[block_id] += 1

    def num_references(self, block_id: int) -> int:
        return self._ref_counts[block_id]

    def publish(self, block_id: int, content: BlockContent) -> None:
        """Make a fully computed block findable. If an equal one is known already, that one stays
        and this block remains private."""
        assert self._ref_counts[block_id] > 0, "only a block in use can be published"
        assert self._contents[block_id] is None, "a block is published once"
        assert self._owners[block_id] == content.root, "a block is published by its namespace"
        if content.key not in self._block_by_key:
            self._block_by_key[content.key] = block_id
            self._contents[block_id] = content

    def release(self, block_ids: Iterable[int]) -> None:
        """Give one reference on each back. Those given first are evicted first."""
        for block_id in block_ids:
            assert self._ref_counts[block_id] > 0, "a block is released once per reference"
            self._ref_counts[block_id] -= 1
            if self._ref_counts[block_id] > 0:
                continue
            root = self._owners[block_id]
            if self._contents[block_id] is None:
                self._forgotten.append(block_id)
                self._evictable.count(root, -1)
            else:
                self._evictable.add(block_id, root)

    def check(self, block_tables: Iterable[Sequence[int]] = ()) -> None:
        """Assert that no block is lost or counted twice, given every block table in use."""
        expected = [0] * self.num_blocks
        for block_table in block_tables:
            for block_id in block_table:
                expected[block_id] += 1
        assert expected == self._ref_counts, "reference counts do not match the block tables"
        free = sorted([*self._forgotten, *self._evictable.blocks()])
        unused = [i for i, count in enumerate(self._ref_counts) if count == 0]
        assert free == unused, "the free lists do not hold exactly the unused blocks"
        for key, block_id in self._block_by_key.items():
            content = self._contents[block_id]
            assert content is not None, "a key points to a forgotten block"
            assert content.key == key, "a key points to another block's content"
        forgotten = set(self._forgotten)
        held = Counter(self._owners[i] for i in range(self.num_blocks) if i not in forgotten)
        assert held == self._evictable.num_held, "the namespaces' block counts have drifted"

    def _evict(self, for_root: bytes) -> int:
        block_id = self._evictable.pop(for_root)
        content = self._contents[block_id]
        assert content is not None
        del self._block_by_key[content.key]
        self._contents[block_id] = None
        self._evictable.count(content.root, -1)
        return block_id


class _FairEvictionOrder:
    """Free cached blocks by namespace, least recently used first, and the namespaces by how many
    blocks they hold in all. The heap may hold outdated entries; they are skipped when met."""

    def __init__(self) -> None:
        self.num_held: Counter[bytes] = Counter()
        self._blocks: dict[bytes, OrderedDict[int, None]] = {}
        self._heap: list[tuple[int, int, bytes]] = []
        self._num_pushed = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def blocks(self) -> list[int]:
        return [block_id for blocks in self._blocks.values() for block_id in blocks]

    def count(self, root: bytes, change: int) -> None:
        """Note that a namespace holds one block more or less."""
        self.num_held[root] += change
        if self.num_held[root] == 0:
            del self.num_held[root]
        self._push(root)

    def add(self, block_id: int, root: bytes) -> None:
        self._blocks.setdefault(root, OrderedDict())[block_id] = None
        self._size += 1
        if len(self._blocks[root]) == 1:
            self._push(root)

    def remove(self, block_id: int, root: bytes) -> None:
        blocks = self._blocks[root]
        del blocks[block_id]
        self._size -= 1
        if not blocks:
            del self._blocks[root]

    def pop(self, for_root: bytes) -> int:
        """The block to evict so that `for_root` can have one; among equals it gives its own."""
        while not self._is_current(self._heap[0]):
            heapq.heappop(self._heap)
        negative_count, _, root = self._heap[0]
        if for_root in self._blocks and self.num_held[for_root] == -negative_count:
            root = for_root
        block_id = next(iter(self._blocks[root]))
        self.remove(block_id, root)
        return block_id

    def _is_current(self, entry: tuple[int, int, bytes]) -> bool:
        negative_count, _, root = entry
        return root in self._blocks and self.num_held[root] == -negative_count

    def _push(self, root: bytes) -> None:
        if root not in self._blocks:
            return
        self._num_pushed += 1
        heapq.heappush(self._heap, (-self.num_held[root], self._num_pushed, root))
        if len(self._heap) > 64 + 4 * len(self._blocks):
            self._heap = [(-self.num_held[r], i, r) for i, r in enumerate(self._blocks)]
            heapq.heapify(self._heap)


@dataclass(slots=True)
class CacheSequence:
    """The cache side of one request: its namespace, its blocks in order, and what its full blocks
    hold (known from the token ids alone, so it is worked out once, even while the request waits).
    The first `num_published` blocks can be found by others."""

    root: bytes
    block_table: list[int] = field(default_factory=list)
    contents: list[BlockContent] = field(default_factory=list)
    num_published: int = 0


class KVCacheManager:
    """Hands blocks to sequences and finds what was computed before.

    `identity` names everything that makes cached numbers incomparable between engines: model
    fingerprint, cache dtype, kernel family. It is hashed into every namespace."""

    def __init__(self, num_blocks: int, block_size: int, identity: str) -> None:
        if block_size < 1:
            raise ValueError(f"a block holds at least one token, not {block_size}")
        self.block_size = block_size
        self.pool = BlockPool(num_blocks)
        self._identity = identity

    def new_sequence(self, cache_namespace: str) -> CacheSequence:
        """A sequence without blocks; it will share only with others of its namespace."""
        digest = hashlib.sha256()
        layout = f"layout {LAYOUT_VERSION}, block size {self.block_size}"
        for part in (layout, self._identity, cache_namespace):
            encoded = part.encode("utf-8", "surrogatepass")
            digest.update(len(encoded).to_bytes(8, "little"))
            digest.update(encoded)
        return CacheSequence(root=digest.digest())

    def num_blocks_for(self, num_tokens: int) -> int:
        return -(-num_tokens // self.block_size)

    def find_prefix(self, sequence: CacheSequence, token_ids: Sequence[int]) -> list[int]:
        """The blocks of the longest known prefix that leaves at least one token to compute."""
        num_blocks = (len(token_ids) - 1) // self.block_size
        self._extend_contents(sequence, token_ids, num_blocks)
        found: list[int] = []
        for content in sequence.contents[:num_blocks]:
            block_id = self.pool.find(content)
            if block_id is None:
                break
            found.append(block_id)
        return found

    def num_blocks_taken(self, prefix: Sequence[int], num_tokens: int) -> int:
        """How much `num_free` would shrink if a sequence of this prefix took `num_tokens`."""
        num_revived = sum(self.pool.num_references(block_id) == 0 for block_id in prefix)
        return self.num_blocks_for(num_tokens) - len(prefix) + num_revived

    def num_freed_by(self, sequence: CacheSequence) -> int:
        """How many blocks only this sequence uses: what ending it would give back."""
        return sum(self.pool.num_references(block_id) == 1 for block_id in sequence.block_table)

    def begin(self, sequence: CacheSequence, prefix: Sequence[int], num_tokens: int) -> bool:
        """Give a sequence without blocks its prefix and room for `num_tokens`; all or nothing."""
        assert not sequence.block_table, "the sequence has begun already"
        if self.num_blocks_taken(prefix, num_tokens) > self.pool.num_free:
            return False
        for block_id in prefix:
            self.pool.share(block_id)
        sequence.block_table.extend(prefix)
        sequence.num_published = len(prefix)
        return self.grow(sequence, num_tokens)

    def grow(self, sequence: CacheSequence, num_tokens: int) -> bool:
        """Make room for `num_tokens` in all; all or nothing."""
        num_new = self.num_blocks_for(num_tokens) - len(sequence.block_table)
        if num_new > self.pool.num_free:
            return False
        sequence.block_table.extend(self.pool.allocate(sequence.root) for _ in range(num_new))
        return True

    def publish(
        self, sequence: CacheSequence, token_ids: Sequence[int], num_computed_tokens: int
    ) -> None:
        """Let others find the blocks that are full and computed by now."""
        num_full = num_computed_tokens // self.block_size
        self._extend_contents(sequence, token_ids, num_full)
        for index in range(sequence.num_published, num_full):
            self.pool.publish(sequence.block_table[index], sequence.contents[index])
        sequence.num_published = max(sequence.num_published, num_full)

    def end(self, sequence: CacheSequence) -> None:
        """Take all blocks back, the tail first, so that it is evicted before what leads to it."""
        self.pool.release(reversed(sequence.block_table))
        sequence.block_table.clear()
        sequence.num_published = 0

    def _extend_contents(
        self, sequence: CacheSequence, token_ids: Sequence[int], num_blocks: int
    ) -> None:
        contents = sequence.contents
        for index in range(len(contents), num_blocks):
            start = index * self.block_size
            token_bytes = array("i", token_ids[start : start + self.block_size]).tobytes()
            parent = contents[-1].key if contents else sequence.root
            key = hashlib.sha256(parent + token_bytes).digest()
            contents.append(BlockContent(key, sequence.root, token_bytes))
