"""The slow, obvious reader of ISO 8601 times. Imports nothing of the product."""

import re
from datetime import UTC, datetime


def iso(text: str) -> int | None:
    shape = re.sub("[0-9]", "0", text)
    date = "0000-00-00"
    clocks = ["00", "00:00", "00:00:00"] + [f"00:00:00{p}" + "0" * digits for p in ".," for digits in range(1, 10)]
    zones = ["", "Z", "z", " UTC"] + [sign + zone for sign in "+-" for zone in ("00", "0000", "00:00")]
    if shape != date and shape not in {f"{date}{t}{clock}{zone}" for t in "Tt " for clock in clocks for zone in zones}:
        return None
    clock, zone = re.fullmatch(r"(.*?)(Z|z| UTC|[+-][0-9:]+)?", text[11:]).groups()  # type: ignore[union-attr]
    whole, _, fraction = clock.replace(",", ".").partition(".")
    whole += "00:00:00"[len(whole) :]
    try:
        moment = datetime.fromisoformat(f"{text[:10]}T{whole}+00:00")
    except ValueError:
        return None
    if moment.strftime("%H") != whole[:2]:
        return None
    digits = re.sub("[^0-9]", "", zone or "").ljust(4, "0")
    if int(digits[:2]) > 23 or int(digits[2:]) > 59:
        return None
    offset = (int(digits[:2]) * 3600 + int(digits[2:]) * 60) * (-1 if zone and zone[0] == "-" else 1)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds - offset) * 10**9 + int(fraction.ljust(9, "0"))
