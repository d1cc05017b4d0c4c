"""Names of every prompt: what menus, catalogues and sound files agree on.

A prompt is named by its meaning, never by its words, because there is one text and one
sound per language. Asterisk plays prompt `goodbye` from sound `ringfence/goodbye`.
"""

from __future__ import annotations

FOLDER = "ringfence"
"""Folder below a language's sounds in which the prompts lie."""

OBJECTION_PROMPTS: tuple[tuple[str, str], ...] = (
    *((f"digit-{digit}", f"The single digit {digit}.") for digit in range(10)),
    ("line-greeting", "This is the objection line."),
    ("abandoned-no-agent", "We called, and nobody of us is free. Comes first on a call without an agent."),
    ("reach-us-at", "You can reach us at, and a number follows."),
    ("you-were-called-by", "You were called by: (the call centre's name follows)"),
    ("this-number-is-used-by", "Said when the person called back. This number is used by: (the call centre follows)"),
    ("on-behalf-of", "on behalf of: (the company's name follows)"),
    ("press-1-company", "If you want no more calls from this company, press 1."),
    ("press-2-everyone", "If you want no more calls from anyone this call centre calls for, press 2."),
    ("press-3-other-number", "If it is about another telephone number, press 3."),
    ("press-0-person", "To speak to a person, press 0."),
    ("press-9-repeat", "To hear this again, press 9."),
    ("no-number-known", "Your number was not passed on to us. (enter-number follows)"),
    ("enter-number", "Enter the number with its area code, then press hash. To start again, press star."),
    ("you-entered", "You entered: (digits follow)"),
    ("press-1-confirm-3-again", "If that is right, press 1. To enter the number again, press 3."),
    ("number-not-valid", "That is not a complete telephone number."),
    ("not-an-option", "That key cannot be chosen here."),
    ("nobody-there", "We have not received an entry."),
    ("connecting-person", "One moment, you are being connected to a person."),
    ("recorded-company", "Your objection is recorded. This company will not call you again."),
    ("recorded-everyone", "Your objection is recorded. Nobody this call centre calls for will call you again."),
    ("number-ending-in", "It holds for the number ending in: (three digits follow)"),
    ("your-reference-is", "Your reference is: (seven digits follow)"),
    ("press-9-reference-again", "To hear this and your reference again, press 9."),
    ("not-recorded", "We are sorry, your objection could not be recorded."),
    ("last-not-recorded", "Your last entry was not recorded. What was confirmed before it stays recorded."),
    ("please-call", "Please call: (digits of a telephone number follow)"),
    ("goodbye", "Goodbye."),
    ("a-company-unknown", "Stands for a company's name that has no sound: a company."),
    ("a-centre-unknown", "Stands for a call centre's name that has no sound: a call centre."),
)
"""What the objection line says, in the order in which it is heard. The digits are everybody's."""

OVER_MUSIC = "wait-"
"""How the names begin of what is mixed with music, and therefore louder than the rest."""

LONGEST_ABOUT_MIN = 10
"""The longest wait that is said as a number of minutes; `wait-about-10`."""

WAIT_PROMPTS: tuple[tuple[str, str], ...] = (
    ("wait-still", "Begins every announcement but the first. You are still in the queue, we have not forgotten you."),
    ("wait-longer", "It takes longer than was said before."),
    ("wait-under-1", "The expected wait is less than a minute."),
    ("wait-about-1", "The expected wait is about one minute."),
    *(
        (f"wait-about-{minutes}", f"The expected wait is about {minutes} minutes.")
        for minutes in range(2, LONGEST_ABOUT_MIN + 1)
    ),
    ("wait-over-10", "The expected wait is more than 10 minutes."),
    ("wait-nobody", "At the moment nobody is there to take the call. (wait-unknown follows)"),
    ("wait-unknown", "We cannot say yet how long the wait is."),
    ("wait-free", "Waiting is free of charge."),
    ("wait-fixed-price", "This call has a fixed price, however long it takes."),
    ("wait-press-1-call-back", "To be called back and keep the place, press 1."),
    ("wait-press-0-person", "To speak to a person now, press 0."),
    ("wait-press-9-objection", "If you want no more calls from us, press 9."),
)
"""What people who wait in a queue hear over the music."""

CALL_BACK_PROMPTS: tuple[tuple[str, str], ...] = (
    ("call-back-offer", "Said before the carrier would end the call. To be called back, press 1; the place is kept."),
    ("call-back-number-ending-in", "We will call you back on the number ending in: (digits follow)"),
    ("call-back-confirm", "If that is right, press 1. For another number, press 3. To go on waiting, any other key."),
    ("call-back-noted", "We will call you back when it is your turn. Goodbye."),
    ("call-back-not-possible", "We cannot call you back on this number. You keep your place in the queue."),
    ("call-back-not-recorded", "Your wish could not be noted. You keep your place in the queue."),
    ("call-back-back-to-queue", "You keep your place in the queue."),
    ("call-back-to-agent", "Said to the agent. This is a call-back: the person is being called now."),
    ("call-back-not-allowed", "Said to the agent. This call-back may not be made now."),
    ("charged-soon", "Waiting free of charge ends in a moment; from then on the call is charged as usual."),
)
"""What is said, without music, about calling back people who wait in a queue."""

PROMPTS = (*OBJECTION_PROMPTS, *WAIT_PROMPTS, *CALL_BACK_PROMPTS)
"""Everything that is said, and what it says."""

OBJECTION_NAMES = frozenset(name for name, _ in OBJECTION_PROMPTS)
"""Names a language must have."""

QUEUE_NAMES = frozenset(name for name, _ in (*WAIT_PROMPTS, *CALL_BACK_PROMPTS))
"""Names a language must have in which somebody waits in a queue."""

PROMPT_NAMES = frozenset(name for name, _ in PROMPTS)
"""The names of everything."""


def is_over_music(name: str) -> bool:
    """Tell whether a prompt is heard over music."""
    return name.startswith(OVER_MUSIC)


def company_prompt(principal_id: str) -> str:
    """Name of the site's own prompt that says a principal's announced name."""
    return f"company-{principal_id}"


def centre_prompt(call_centre_id: str) -> str:
    """Name of the site's own prompt that says the call centre's name."""
    return f"centre-{call_centre_id}"


def digit_prompts(text: str) -> tuple[str, ...]:
    """Prompts that say every digit of a text one by one; whatever is no digit is left out."""
    return tuple(f"digit-{mark}" for mark in text if mark in "0123456789")
