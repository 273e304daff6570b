"""Which requests compute how many tokens in the next step.

A request is `num_computed_tokens < num_tokens`; that one inequality describes prefill, chunked
prefill and decode. Each step hands out one budget of tokens: decodes first, then prompts, shared
between fairness keys. When blocks run out, a request is preempted and later recomputed, mostly
from the prefix cache. This module decides with lists and integers; it must not know tensors."""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, KeysView, Sequence
from dataclasses import dataclass, field

from whalefall.engine.errors import EngineRejectedError
from whalefall.engine.kv_cache import CacheSequence, KVCacheManager
from whalefall.engine.request import EngineRequest

MAX_PREEMPTIONS = 3
"""A request preempted this often is spared while any other can be preempted instead."""
MAX_SKIPS = 200
"""A request that did not fit so many times, while others behind it did, is overtaken no more: it
stands first in line and nobody is admitted before it."""
MAX_MISFITS_PER_STEP = 16
"""So many waiting requests are tried in one step before it is called full."""


class RequestStatus(enum.Enum):
    WAITING = "waiting"
    RUNNING = "running"
    PREEMPTED = "preempted"
    FINISHED_STOPPED = "finished_stopped"
    FINISHED_LENGTH_CAPPED = "finished_length_capped"
    FINISHED_ABORTED = "finished_aborted"


@dataclass(slots=True, eq=False)
class RequestState:
    """One request on its way through the engine."""

    request: EngineRequest
    sequence: CacheSequence
    token_ids: list[int]
    """The prompt, then the output so far."""
    num_computed_tokens: int = 0
    """Tokens whose cache entries exist."""
    num_cached_tokens: int = 0
    """Prompt tokens that came from the prefix cache when it was first scheduled."""
    status: RequestStatus = RequestStatus.WAITING
    was_scheduled: bool = False
    arrival_index: int = 0
    num_preemptions: int = 0
    num_skips: int = 0

    @property
    def request_id(self) -> str:
        return self.request.request_id

    @property
    def fairness_key(self) -> str:
        return self.request.fairness_key

    @property
    def num_prompt_tokens(self) -> int:
        return len(self.request.prompt_token_ids)

    @property
    def num_tokens(self) -> int:
        return len(self.token_ids)

    @property
    def num_output_tokens(self) -> int:
        return len(self.token_ids) - len(self.request.prompt_token_ids)

    @property
    def num_uncomputed_tokens(self) -> int:
        return len(self.token_ids) - self.num_computed_tokens


@dataclass(frozen=True, slots=True)
class ScheduledRequest:
    """`num_tokens` tokens of a request, starting at its `num_computed_tokens`."""

    state: RequestState
    num_tokens: int

    @property
    def does_sample(self) -> bool:
        """Whether the step reaches the end of what is known, so that a new token follows."""
        return self.num_tokens == self.state.num_uncomputed_tokens


@dataclass(frozen=True)
class SchedulerLimits:
    max_num_batched_tokens: int = 1024
    max_num_seqs: int = 64
    max_num_waiting: int = 4096

    def __post_init__(self) -> None:
        if not 1 <= self.max_num_seqs <= self.max_num_batched_tokens:
            raise ValueError(
                "max_num_seqs must be between 1 and max_num_batched_tokens, so that every running "
                f"request can decode in every step; they are {self.max_num_seqs} and "
                f"{self.max_num_batched_tokens}"
            )


class Scheduler:
    """Call `schedule`, compute, then `advance` with what was scheduled; `add`, `finish` between."""

    def __init__(self, cache: KVCacheManager, limits: SchedulerLimits) -> None:
        self._cache = cache
        self._limits = limits
        self._waiting = _WaitingQueue()
        self._running: dict[str, RequestState] = {}
        self._step: dict[RequestState, int] = {}
        self._budget = 0
        self._prefill_tokens: Counter[str] = Counter()
        self._num_arrived = 0

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        return len(self._running)

    def running(self) -> Iterator[RequestState]:
        return iter(self._running.values())

    def add(self, request: EngineRequest) -> RequestState:
        """Queue a request. Raises EngineRejectedError if it can never fit or the queue is full."""
        num_tokens_max = len(request.prompt_token_ids) + request.sampling_params.max_tokens
        num_blocks = self._cache.num_blocks_for(num_tokens_max - 1)
        if num_blocks > self._cache.pool.num_blocks:
            raise EngineRejectedError(
                f"{num_tokens_max} tokens need {num_blocks} cache blocks; this engine has "
                f"{self._cache.pool.num_blocks}"
            )
        if len(self._waiting) >= self._limits.max_num_waiting:
            raise EngineRejectedError(f"the queue is full: {len(self._waiting)} requests wait")
        sequence = self._cache.new_sequence(request.cache_namespace)
        self._num_arrived += 1
        state = RequestState(
            request=request,
            sequence=sequence,
            token_ids=list(request.prompt_token_ids),
            arrival_index=self._num_arrived,
        )
        self._waiting.append(state)
        return state

    def schedule(self) -> list[ScheduledRequest]:
        """The next step: at most `max_num_batched_tokens` tokens, every decode among them."""
        self._step = {}
        self._budget = self._limits.max_num_batched_tokens
        self._prefill_tokens.clear()
        self._schedule_decodes()
        num_keys = len({s.fairness_key for s in self._prefilling()} | self._waiting.keys())
        if num_keys > 0:
            share = max(self._cache.block_size, self._budget // num_keys)
            for cap in (share, self._limits.max_num_batched_tokens):
                self._schedule_prefills(cap)
                self._admit(cap)
        return [ScheduledRequest(state, num_tokens) for state, num_tokens in self._step.items()]

    def advance(self, step: Sequence[ScheduledRequest]) -> None:
        """Note that a scheduled step has been computed: its full blocks can now be found."""
        for scheduled in step:
            state = scheduled.state
            state.num_computed_tokens += scheduled.num_tokens
            self._cache.publish(state.sequence, state.token_ids, state.num_computed_tokens)

    def finish(self, state: RequestState, status: RequestStatus) -> None:
        """End a request in whatever state it is and take its blocks back."""
        if state.status is RequestStatus.RUNNING:
            del self._running[state.request_id]
            self._withdraw(state)
            self._cache.end(state.sequence)
        else:
            self._waiting.remove(state)
        state.status = status

    def check(self) -> None:
        """Assert that blocks in use are exactly those of running requests."""
        self._cache.pool.check([state.sequence.block_table for state in self._running.values()])

    # ------------------------------------------------------------------ decode, then prefill

    def _schedule_decodes(self) -> None:
        for state in list(self._running.values()):
            if state.num_uncomputed_tokens == 1 and self._grow(state):
                self._assign(state, 1)

    def _grow(self, state: RequestState) -> bool:
        """Make room for the state's tokens, preempting others or, in the end, itself."""
        while state.status is RequestStatus.RUNNING:
            if self._cache.grow(state.sequence, state.num_tokens):
                return True
            self._preempt(self._victim())
        return False

    def _schedule_prefills(self, cap: int) -> None:
        """Give running prompts, oldest first, up to `cap` tokens per fairness key in all."""
        for state in self._prefilling():
            self._schedule_prefill(state, cap)

    def _schedule_prefill(self, state: RequestState, cap: int) -> None:
        num_left = state.num_uncomputed_tokens - self._step.get(state, 0)
        num_tokens = min(num_left, self._budget, cap - self._prefill_tokens[state.fairness_key])
        if num_tokens > 0:
            self._assign(state, num_tokens)
            self._prefill_tokens[state.fairness_key] += num_tokens

    def _prefilling(self) -> list[RequestState]:
        return [state for state in self._running.values() if state.num_uncomputed_tokens > 1]

    def _assign(self, state: RequestState, num_tokens: int) -> None:
        self._step[state] = self._step.get(state, 0) + num_tokens
        self._budget -= num_tokens

    def _withdraw(self, state: RequestState) -> None:
        self._budget += self._step.pop(state, 0)

    # ------------------------------------------------------------------ admission

    def _admit(self, cap: int) -> None:
        """Let waiting requests in, one key after the other, while budget, slots and blocks last."""
        num_misfits = 0
        for state in self._waiting.rounds():
            if self._budget == 0 or num_misfits == MAX_MISFITS_PER_STEP:
                return
            if self._prefill_tokens[state.fairness_key] >= cap:
                continue
            if self._start(state):
                self._schedule_prefill(state, cap)
                continue
            num_misfits += 1
            state.num_skips += 1
            if state.num_skips > MAX_SKIPS:
                self._waiting.put_first(state.fairness_key)
                return

    def _start(self, state: RequestState) -> bool:
        """Move a waiting request to running if it fits or may claim the room from others."""
        prefix = self._cache.find_prefix(state.sequence, state.token_ids)
        if not self._has_room(state, prefix):
            victims = self._claim(state, prefix)
            if victims is None:
                return False
            for victim in victims:
                self._preempt(victim)
        if not self._cache.begin(state.sequence, prefix, state.num_tokens):
            return False
        self._waiting.remove(state)
        state.num_computed_tokens = len(prefix) * self._cache.block_size
        if not state.was_scheduled:
            state.num_cached_tokens = state.num_computed_tokens
            state.was_scheduled = True
        state.status = RequestStatus.RUNNING
        state.num_skips = 0
        self._running[state.request_id] = state
        return True

    def _has_room(self, state: RequestState, prefix: Sequence[int]) -> bool:
        """A slot, and the blocks of all its known tokens with one to spare per running request,
        which will soon ask for it."""
        num_taken = self._cache.num_blocks_taken(prefix, state.num_tokens)
        return (
            len(self._running) < self._limits.max_num_seqs
            and num_taken + len(self._running) <= self._cache.pool.num_free
        )

    # ------------------------------------------------------------------ preemption

    def _preempt(self, state: RequestState) -> None:
        """Take a running request's blocks; it goes to the front of its key's queue."""
        self._withdraw(state)
        del self._running[state.request_id]
        self._cache.end(state.sequence)
        state.num_computed_tokens = 0
        state.num_preemptions += 1
        state.status = RequestStatus.PREEMPTED
        self._waiting.append_left(state)

    def _victim(self) -> RequestState:
        """The newest request of the key that holds most blocks. Those preempted often already are
        spared if possible; when all are, arrival alone decides, so the oldest always gets on."""
        running = list(self._running.values())
        fresh = [state for state in running if state.num_preemptions < MAX_PREEMPTIONS]
        if not fresh:
            return max(running, key=lambda state: state.arrival_index)
        held = self._blocks_held()
        return max(fresh, key=lambda state: (held[state.fairness_key], state.arrival_index))

    def _claim(self, state: RequestState, prefix: Sequence[int]) -> list[RequestState] | None:
        """Whom to preempt so that a key with nothing running gets its first request in, or None.

        Only the newest requests of keys with more running than this one give way, and for blocks
        only those of keys above an equal share, and only to a request that stays within it."""
        held = self._blocks_held()
        if state.fairness_key in held:
            return None
        share = self._cache.pool.num_blocks // (len(held) + 1)
        num_taken = self._cache.num_blocks_taken(prefix, state.num_tokens)
        num_short = num_taken + len(self._running) - self._cache.pool.num_free
        if num_short > 0 and self._cache.num_blocks_for(state.num_tokens) > share:
            return None
        num_running = Counter(other.fairness_key for other in self._running.values())
        needs_slot = len(self._running) >= self._limits.max_num_seqs
        victims: list[RequestState] = []
        running = sorted(
            self._running.values(), key=lambda s: (-held[s.fairness_key], -s.arrival_index)
        )
        for other in running:
            key = other.fairness_key
            may_give = num_running[key] > 1 and (held[key] > share or num_short <= 0)
            if may_give and (needs_slot or num_short > 0):
                victims.append(other)
                num_running[key] -= 1
                needs_slot = False
                num_short -= 1 + self._cache.num_freed_by(other.sequence)
                held[key] -= len(other.sequence.block_table)
        return victims if not needs_slot and num_short <= 0 else None

    def _blocks_held(self) -> Counter[str]:
        held: Counter[str] = Counter()
        for state in self._running.values():
            held[state.fairness_key] += len(state.sequence.block_table)
        return held


@dataclass
class _WaitingQueue:
    """Waiting requests by fairness key; the keys take turns, each key's requests are in order."""

    _by_key: OrderedDict[str, deque[RequestState]] = field(default_factory=OrderedDict)
    _size: int = 0

    def __len__(self) -> int:
        return self._size

    def keys(self) -> KeysView[str]:
        return self._by_key.keys()

    def put_first(self, key: str) -> None:
        self._by_key.move_to_end(key, last=False)

    def append(self, state: RequestState) -> None:
        self._by_key.setdefault(state.fairness_key, deque()).append(state)
        self._size += 1

    def append_left(self, state: RequestState) -> None:
        self._by_key.setdefault(state.fairness_key, deque()).appendleft(state)
        self._size += 1

    def remove(self, state: RequestState) -> None:
        queue = self._by_key[state.fairness_key]
        queue.remove(state)
        self._size -= 1
        if not queue:
            del self._by_key[state.fairness_key]

    def rounds(self) -> Iterator[RequestState]:
        """The head of each key in turn, round after round. A key whose head was taken goes behind
        the others; a key whose head stayed is not offered again."""
        passed: set[str] = set()
        while True:
            key = next((key for key in self._by_key if key not in passed), None)
            if key is None:
                return
            head = self._by_key[key][0]
            yield head
            if key in self._by_key and self._by_key[key][0] is head:
                passed.add(key)
            elif key in self._by_key:
                self._by_key.move_to_end(key)
