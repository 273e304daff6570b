"""Rows for every id: trained or computed, and the mass of those that nobody mentions."""

from __future__ import annotations

import pytest
import torch

from training.token_forms import NUM_FORMS, TokenForms, token_forms
from training.vocabulary import RareRows, SubVocabulary, sampled_classes
from whalefall.chat.tokenizer import Tokenizer

_FULL_SIZE, _DIM = 4000, 32


def _forms(full_size: int = _FULL_SIZE) -> TokenForms:
    """Every id has one of two forms; ids 2k and 2k + 1 are the same letters."""
    ids = torch.arange(full_size)
    return TokenForms(ids % 2, ids // 2)


def _rare_rows(vocabulary: SubVocabulary) -> RareRows:
    return RareRows(vocabulary, _forms(vocabulary.full_size), _DIM, seed=3)


def test_frequent_ids_have_rows_of_their_own_and_rare_ones_follow() -> None:
    vocabulary = SubVocabulary((7, 3), full_size=10)
    rows, rare_ids = vocabulary.rows(torch.tensor([7, 9, 3, 0, 9]))
    first_rare = NUM_FORMS + 2
    assert rare_ids.tolist() == [0, 9]
    assert rows.tolist() == [NUM_FORMS, first_rare + 1, NUM_FORMS + 1, first_rare, first_rare + 1]
    assert [vocabulary.token_id(int(row), rare_ids) for row in rows] == [7, 9, 3, 0, 9]


def test_rows_of_the_same_letters_differ_by_the_form_only() -> None:
    vocabulary = SubVocabulary((7, 3), _FULL_SIZE)
    rare = _rare_rows(vocabulary)
    trained = torch.randn(vocabulary.num_rows, _DIM, generator=torch.Generator().manual_seed(1))
    one, other = rare.rare(trained, torch.tensor([100, 101])).detach()
    assert torch.allclose(one - other, trained[0] - trained[1], atol=1e-6)


def test_full_table_holds_trained_and_computed_rows() -> None:
    vocabulary = SubVocabulary((7, 3), _FULL_SIZE)
    rare = _rare_rows(vocabulary)
    trained = torch.randn(vocabulary.num_rows, _DIM, generator=torch.Generator().manual_seed(1))
    full = rare.full_table(trained)
    assert torch.equal(full[7], trained[NUM_FORMS])
    assert torch.equal(full[3], trained[NUM_FORMS + 1])
    table = rare.table(trained, torch.tensor([0, 9])).detach()
    assert torch.allclose(full[[0, 9]], table[-2:])


def test_absent_ids_weigh_as_much_as_the_full_table_says() -> None:
    vocabulary = SubVocabulary(tuple(range(50)), _FULL_SIZE)
    rare = _rare_rows(vocabulary)
    generator = torch.Generator().manual_seed(2)
    trained = torch.randn(vocabulary.num_rows, _DIM, generator=generator) * 0.1
    hidden = torch.randn(5, _DIM, generator=generator) * 0.05
    mentioned = torch.tensor([60, 61, 999])
    with torch.no_grad():
        probabilities = rare.logits(hidden, rare.table(trained, mentioned), mentioned).softmax(-1)
        expected = (hidden @ rare.full_table(trained).T).softmax(-1)
    own = probabilities[:, NUM_FORMS : NUM_FORMS + 50]
    assert torch.allclose(own.log(), expected[:, :50].log(), atol=0.1)
    assert torch.allclose(probabilities[:, -3:].log(), expected[:, mentioned].log(), atol=0.1)


def test_sampled_classes_hold_the_batch_and_weigh_as_much_as_all() -> None:
    vocabulary = SubVocabulary(tuple(range(1000)), _FULL_SIZE)
    rare = _rare_rows(vocabulary)
    generator = torch.Generator().manual_seed(2)
    trained = torch.randn(vocabulary.num_rows, _DIM, generator=generator) * 0.1
    hidden = torch.randn(5, _DIM, generator=generator) * 0.05
    rows, rare_ids = vocabulary.rows(torch.tensor([[3, 999, 2000], [4, 5, 3001]]))
    classes = sampled_classes(rows, vocabulary.num_rows, num_sampled=400)
    assert classes.rows[classes.place_of(rows)].tolist() == rows.tolist()
    table = rare.table(trained, rare_ids)
    used, used_ids = rare.used_table(trained, rare_ids, classes)
    assert torch.equal(used, table[classes.rows])
    sampled = rare.logits(hidden, used, used_ids, classes).log_softmax(-1)
    whole = rare.logits(hidden, table, rare_ids).log_softmax(-1)
    at = classes.place_of(rows.flatten())
    assert torch.allclose(sampled[:, at], whole[:, rows.flatten()], atol=0.05)


def test_own_rows_start_as_the_rare_rows_they_would_be() -> None:
    vocabulary = SubVocabulary((7, 3), _FULL_SIZE)
    rare = _rare_rows(vocabulary)
    trained = torch.empty(vocabulary.num_rows, _DIM)
    rare.initialize(trained)
    assert torch.allclose(trained[NUM_FORMS:], rare.rare(trained, torch.tensor([7, 3])), atol=0.01)


def test_numbers_with_a_digit_in_common_have_rows_that_say_so(tokenizer: Tokenizer) -> None:
    forms = token_forms(tokenizer, tokenizer.vocab_size)
    ids = [tokenizer.encode(text)[0] for text in ("47", "48", "147", "7", "whale", "74")]
    vocabulary = SubVocabulary(tuple(ids), tokenizer.vocab_size)
    rare = RareRows(vocabulary, forms, dim=256, seed=1)
    trained = torch.empty(vocabulary.num_rows, 256)
    rare.initialize(trained)
    added = trained[NUM_FORMS:] - rare.rare(trained, torch.tensor(ids))
    alike = torch.nn.functional.cosine_similarity(added[0], added, dim=-1)
    assert alike.tolist() == pytest.approx([1, 1 / 2, 2 / 6**0.5, 2**-0.5, 0, 0], abs=0.2)
    assert added[4].norm() == 0


def test_forms_tell_blanks_and_capitals_apart(tokenizer: Tokenizer) -> None:
    forms = token_forms(tokenizer, tokenizer.vocab_size)
    ids = [tokenizer.encode(text) for text in (" paris", " Paris", "Paris", " the", "the", "THE")]
    assert [len(one) for one in ids[1:]] == [1] * 5
    paris_behind_blank, paris, the_behind_blank, the, shouted = (one[0] for one in ids[1:])
    word, form = forms.word_of_token, forms.form_of_token
    assert word[paris_behind_blank] == word[paris]
    assert word[the_behind_blank] == word[the] == word[shouted]
    assert form[paris_behind_blank] != form[paris]
    assert len({int(form[i]) for i in (the_behind_blank, the, shouted)}) == 3


def test_extending_keeps_the_rows_of_known_ids() -> None:
    vocabulary = SubVocabulary((7, 3), full_size=10).extended([9, 3, 1])
    assert vocabulary.token_ids == (7, 3, 1, 9)


def test_repeated_or_too_large_ids_are_refused() -> None:
    with pytest.raises(AssertionError):
        SubVocabulary((1, 1), full_size=4)
    with pytest.raises(AssertionError):
        SubVocabulary((4,), full_size=4)
