"""The letters the console writes, in the reader's language."""

from __future__ import annotations

from collections.abc import Sequence

from whalefall.accounts.signup import CODE_LIFETIME
from whalefall.base.mail import ATTACHMENT_BYTES_MAX, Attachment, Letter
from whalefall.billing.invoice_content import InvoiceKind
from whalefall.billing.invoice_documents import Invoice
from whalefall.console.language import Catalog, mark
from whalefall.console.rendering import money

_MINUTES = int(CODE_LIFETIME.total_seconds() // 60)


def sign_up_letter(catalog: Catalog, email: str, code: str) -> Letter:
    text = catalog.gettext(
        mark(
            "Your verification code is %(code)s. It is valid for %(minutes)d minutes.\n\n"
            "If you did not ask to create an account, you can ignore this e-mail."
        )
    )
    subject = catalog.gettext(mark("Your Whalefall verification code"))
    return Letter(email, subject, text % {"code": code, "minutes": _MINUTES})


def already_registered_letter(catalog: Catalog, email: str) -> Letter:
    text = catalog.gettext(
        mark(
            "Someone, probably you, asked to create an account with this address. You have one "
            "already: sign in, or reset the password if you have forgotten it."
        )
    )
    return Letter(email, catalog.gettext(mark("You already have a Whalefall account")), text)


def reset_letter(catalog: Catalog, email: str, code: str) -> Letter:
    text = catalog.gettext(
        mark(
            "The code to choose a new password is %(code)s. It is valid for %(minutes)d minutes."
            "\n\nIf you did not ask for it, ignore this e-mail; your password stays as it is."
        )
    )
    subject = catalog.gettext(mark("Your Whalefall password reset code"))
    return Letter(email, subject, text % {"code": code, "minutes": _MINUTES})


def unknown_reset_letter(catalog: Catalog, email: str) -> Letter:
    text = catalog.gettext(
        mark(
            "Someone, probably you, asked to reset the password of an account with this address. "
            "There is no such account; perhaps you signed up with another address."
        )
    )
    return Letter(email, catalog.gettext(mark("There is no account with this address")), text)


def password_changed_letter(catalog: Catalog, email: str) -> Letter:
    text = catalog.gettext(
        mark(
            "The password of your account has just been changed. If that was not you, reset it "
            "at once and write to the operator of this platform."
        )
    )
    return Letter(email, catalog.gettext(mark("Your Whalefall password was changed")), text)


def ticket_letter(catalog: Catalog, email: str, subject: str, text: str) -> Letter:
    head = catalog.gettext(mark("Your ticket was answered: %(subject)s"))
    return Letter(email, head % {"subject": subject}, text)


def bank_transfer_letter(catalog: Catalog, email: str, amount: str, payer: str) -> Letter:
    text = catalog.gettext(
        mark(
            "Your bank transfer of %(amount)s from %(payer)s has arrived and is part of your "
            "topped-up balance now."
        )
    )
    subject = catalog.gettext(mark("Your bank transfer has arrived"))
    return Letter(email, subject, text % {"amount": amount, "payer": payer})


def low_balance_letter(catalog: Catalog, email: str, left: str, threshold: str) -> Letter:
    text = catalog.gettext(
        mark(
            "Your balance is %(left)s, below the %(threshold)s you asked to be told of. When it is "
            "used up, requests are answered with 402.\n\nYou can change the amount on your profile."
        )
    )
    subject = catalog.gettext(mark("Your Whalefall balance is low"))
    return Letter(email, subject, text % {"left": left, "threshold": threshold})


def refund_done_letter(catalog: Catalog, email: str, amount: str) -> Letter:
    text = catalog.gettext(
        mark(
            "Your refund of %(amount)s is on its way back to the payment it came with. Depending "
            "on the bank it arrives at once or within a few days."
        )
    )
    subject = catalog.gettext(mark("Your Whalefall refund is done"))
    return Letter(email, subject, text % {"amount": amount})


def refund_failed_letter(catalog: Catalog, email: str, amount: str) -> Letter:
    text = catalog.gettext(
        mark(
            "Your refund of %(amount)s could not be made: the payment provider or the bank would "
            "not take it. The money is in your balance again.\n\nThe operator of this platform "
            "sees it, too; open a ticket if you want it returned in another way."
        )
    )
    subject = catalog.gettext(mark("Your Whalefall refund failed"))
    return Letter(email, subject, text % {"amount": amount})


def verification_approved_letter(catalog: Catalog, email: str, name: str) -> Letter:
    text = catalog.gettext(
        mark(
            "Your account is verified now. It belongs to: %(name)s.\n\n"
            "If that is not you, write to the operator of this platform at once."
        )
    )
    subject = catalog.gettext(mark("Your Whalefall account is verified"))
    return Letter(email, subject, text % {"name": name})


def verification_rejected_letter(catalog: Catalog, email: str, reason: str) -> Letter:
    text = catalog.gettext(
        mark(
            "Your account could not be verified. The reason given is: %(reason)s\n\n"
            "You can enter your details again on the verification page."
        )
    )
    subject = catalog.gettext(mark("Your Whalefall account could not be verified"))
    return Letter(email, subject, text % {"reason": reason})


def invoice_letter(catalog: Catalog, email: str, made: Invoice, paper: bytes) -> Letter:
    """With the paper attached, unless it is too large for a letter."""
    is_invoice = made.kind is InvoiceKind.INVOICE
    subject = mark("Your invoice %(number)s") if is_invoice else mark("Your credit note %(number)s")
    attached = mark("The document %(number)s over %(amount)s is attached.")
    linked = mark("The document %(number)s over %(amount)s is ready.")
    fits = len(paper) <= ATTACHMENT_BYTES_MAX
    told = {"number": made.number, "amount": money(made.amount_nanos, made.currency)}
    text = catalog.gettext(attached if fits else linked) % told
    hint = catalog.gettext(mark("You find all of them under Billing, Invoices."))
    attachment = Attachment(f"{made.number}.pdf", paper) if fits else None
    return Letter(email, catalog.gettext(subject) % told, f"{text}\n\n{hint}", attachment)


def invoice_refused_letter(catalog: Catalog, email: str, amount: str, reason: str) -> Letter:
    text = catalog.gettext(
        mark(
            "Your request for an invoice over %(amount)s was refused:\n\n%(reason)s\n\nThe amount "
            "can be asked for again."
        )
    )
    subject = catalog.gettext(mark("Your request for an invoice was refused"))
    return Letter(email, subject, text % {"amount": amount, "reason": reason})


def reconciliation_letter(
    catalog: Catalog, email: str, day: str, num_differences: int, lines: Sequence[str]
) -> Letter:
    """`lines` are the first few, each with what was expected and what was found."""
    text = catalog.gettext(
        mark(
            "The books of %(day)s do not agree: %(count)s differences. Look at the operator's "
            "reconciliation page. The first of them, expected / found:"
        )
    )
    subject = catalog.gettext(mark("Whalefall: the books of %(day)s do not agree"))
    told = text % {"day": day, "count": num_differences}
    return Letter(email, subject % {"day": day}, "\n\n".join([told, *lines]))
