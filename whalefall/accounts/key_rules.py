"""What one API key may be used for: which models, from where, and for how much a month.

Pure: an address and a name in, yes or no out. Who sends from where is the server's affair."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from whalefall.base.errors import InvalidRequestError
from whalefall.base.money import MAX_AMOUNT_NANOS

NUM_MODELS_MAX = 20
NUM_NETWORKS_MAX = 50
MODEL_LENGTH_MAX = 100
_SEPARATORS = re.compile(r"[\s,;，；、]+")


@dataclass(frozen=True, slots=True)
class KeyRules:
    models: tuple[str, ...] = ()
    """Names the key may ask for; empty: all."""
    networks: tuple[str, ...] = ()
    """Where it may come from, as `203.0.113.7` or `2001:db8::/32`; empty: from anywhere."""
    monthly_nanos: int | None = None
    """What it may spend in a UTC month, in its owner's currency; None: all there is."""

    def admits_model(self, name: str) -> bool:
        return not self.models or name in self.models

    def admits_address(self, address: str) -> bool:
        """An address nobody can read is not on any list."""
        if not self.networks:
            return True
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in ipaddress.ip_network(network) for network in self.networks)


NO_RULES = KeyRules()


def checked_rules(models: str, networks: str, monthly_nanos: int | None) -> KeyRules:
    """From what a person typed: names and networks between commas, blanks or line ends.
    InvalidRequestError for what cannot be kept."""
    if monthly_nanos is not None and not 0 < monthly_nanos <= MAX_AMOUNT_NANOS:
        raise InvalidRequestError(ODD_BUDGET)
    return KeyRules(_models(models), _networks(networks), monthly_nanos)


ODD_MODELS = "A key is for at most 20 models, each named in at most 100 characters."
ODD_NETWORKS = (
    "A key takes at most 50 addresses or networks, written like 203.0.113.7 or 10.0.0.0/8."
)
ODD_BUDGET = "A monthly budget is an amount greater than zero."


def words(text: str | None) -> tuple[str, ...]:
    """The words of a list as it is typed and as it is stored."""
    return tuple(dict.fromkeys(word for word in _SEPARATORS.split(text or "") if word))


def _models(text: str) -> tuple[str, ...]:
    names = words(text)
    is_odd = any(len(name) > MODEL_LENGTH_MAX or not name.isprintable() for name in names)
    if is_odd or len(names) > NUM_MODELS_MAX:
        raise InvalidRequestError(ODD_MODELS)
    return names


def _networks(text: str) -> tuple[str, ...]:
    """In one spelling each; host bits beside a mask are a mistake, not a smaller network."""
    try:
        networks = [ipaddress.ip_network(word) for word in words(text)]
    except ValueError:
        raise InvalidRequestError(ODD_NETWORKS) from None
    if len(networks) > NUM_NETWORKS_MAX:
        raise InvalidRequestError(ODD_NETWORKS)
    return tuple(
        str(each.network_address if each.prefixlen == each.max_prefixlen else each)
        for each in networks
    )
