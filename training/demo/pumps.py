"""Physics of a generated pump: the readings of its five sensors from demand, wear and leaks.

- Flow follows the demand of the day.
- Pressure falls with the square of the flow along the pump curve.
- Current is the hydraulic power over the efficiency.
- The bearing warms slowly with the power, above an ambient temperature with a day of its own.
- Vibration grows below the best point, and there are spells of rough running.

A model can learn these relations between the sensors.
"""

import math
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from stream.intake.columns import Float64s

UNITS = MappingProxyType({"flow": "m³/h", "pressure": "bar", "current": "A", "temperature": "°C", "vibration": "mm/s"})
SENSORS = tuple(UNITS)
FLOW, PRESSURE, CURRENT, TEMPERATURE, VIBRATION = range(len(SENSORS))

# In the order of SENSORS: standard deviation of the sensor's noise, and the decimals its transmitter sends.
_NOISE = np.array([2.5, 0.08, 0.8, 0.4, 0.05])
_DECIMALS = (1, 2, 1, 1, 2)
_AMPERES_PER_KW = 1000.0 / (math.sqrt(3.0) * 400.0 * 0.86)  # three phases of 400 V, power factor 0.86
_BEARING_LAG_S = 2400.0
# Time constants of the slow disturbances: demand twice, suction pressure, ambient, rough running.
_WANDER_S = (900.0, 14400.0, 3600.0, 28800.0, 300.0)


@dataclass(frozen=True, slots=True)
class Pumps:
    """Parameters of S pumps, (S,) each, and their random disturbances over T rows.

    Attributes:
        nominal: flow at demand 1, m³/h.
        phase: hours by which the day is shifted.
        swing: daily range of demand.
        shutoff: pressure at no flow, bar.
        droop: share of `shutoff` that is lost at demand 1.
        efficiency: at the best point.
        heating: °C per kW of motor power.
        rough: vibration at the best point, mm/s.
        wander: (T, S, 5), slow disturbances of variance 1, see `_WANDER_S`.
        noise: (T, S, F), white, of variance 1.
    """

    nominal: Float64s
    phase: Float64s
    swing: Float64s
    shutoff: Float64s
    droop: Float64s
    efficiency: Float64s
    heating: Float64s
    rough: Float64s
    wander: Float64s
    noise: Float64s


def draw(pumps: int, rows: int, interval_s: float, seed: int) -> Pumps:
    """Draws each pump from its own generator, so that it does not depend on the number of pumps."""
    generators = [np.random.default_rng([seed, number]) for number in range(pumps)]

    def between(low: float, high: float) -> Float64s:
        return np.array([generator.uniform(low, high) for generator in generators])

    def white(columns: int) -> Float64s:
        return np.stack([generator.standard_normal((rows, columns)) for generator in generators], axis=1)

    return Pumps(
        nominal=between(80.0, 130.0),
        phase=between(-1.5, 1.5),
        swing=between(0.25, 0.28),
        shutoff=between(6.4, 7.8),
        droop=between(0.26, 0.34),
        efficiency=between(0.66, 0.74),
        heating=between(1.5, 1.9),
        rough=between(1.3, 2.0),
        wander=_wander(white(len(_WANDER_S)), np.array(_WANDER_S), interval_s),
        noise=white(len(SENSORS)),
    )


def daily_demand(pumps: Pumps, hours: Float64s) -> Float64s:
    """Demand by the hours (T,) since midnight, (T, S): lowest near 03:00, highest at 19:30."""
    local = 2.0 * np.pi * (hours[:, None] - pumps.phase) / 24.0
    shape = -0.75 * np.cos(local - 2.0 * np.pi * 3.0 / 24.0) - 0.45 * np.cos(2.0 * local - 2.0 * np.pi * 4.0 / 24.0)
    return np.asarray(0.82 + pumps.swing * shape)


def rough_running(pumps: Pumps) -> Float64s:
    """Rough running of each pump, (T, S), 0 to 1: mostly 0, at times above for some minutes. It is normal."""
    return np.clip(3.0 * (pumps.wander[:, :, 4] - 1.2), 0.0, 1.0)


def sensed(pumps: Pumps, hours: Float64s, interval_s: float, leak: Float64s, wear: Float64s) -> Float64s:
    """Readings of the sensors, (T, S, F), noise included. `leak` and `wear` (T, S) run from 0 (none) to 1."""
    wander = np.moveaxis(pumps.wander, 2, 0)  # (5, T, S)
    demand = daily_demand(pumps, hours) + 0.02 * (wander[0] + wander[1]) + 0.10 * leak
    flow = pumps.nominal * demand
    head = pumps.shutoff * (1.0 - pumps.droop * demand**2) + 0.03 * wander[2]  # bar, at the pump
    efficiency = pumps.efficiency * (1.0 - 0.5 * (demand - 0.85) ** 2)
    power = flow * head / 36.0 / efficiency * (1.0 + 0.03 * wear)  # kW: m³/h times bar is 1/36 kW
    ambient = 17.0 + 3.5 * np.sin(2.0 * np.pi * (hours[:, None] - 9.0) / 24.0) + 0.6 * wander[3]
    temperature = ambient + _lagged(pumps.heating * power + 9.0 * wear, _BEARING_LAG_S, interval_s)
    vibration = pumps.rough * (1.0 + 2.0 * (1.0 - demand) ** 2 + 0.21 * rough_running(pumps)) * (1.0 + 0.9 * wear)
    pressure = head - 1.3 * leak  # the gauge is behind the leak, the flow meter before it
    clean = np.stack([flow, pressure, power * _AMPERES_PER_KW, temperature, vibration], axis=2)  # (T, S, F)
    return np.asarray(clean + _NOISE * pumps.noise)


def transmitted(values: Float64s) -> Float64s:
    """`values` (T, S, F) with the decimals that a transmitter sends."""
    return np.stack([values[:, :, sensor].round(digits) for sensor, digits in enumerate(_DECIMALS)], axis=2)


def _wander(white: Float64s, tau_s: Float64s, interval_s: float) -> Float64s:
    """Stationary disturbances of variance 1 with time constants `tau_s` (C,), from white noise (T, S, C)."""
    keep = np.exp(-interval_s / tau_s)
    drive = white * np.sqrt(1.0 - keep * keep)
    drive[0] = white[0]
    return _recursion(drive, keep)


def _lagged(drive: Float64s, tau_s: float, interval_s: float) -> Float64s:
    """First-order lag of `drive` (T, S), in equilibrium at the first row."""
    keep = np.exp(-interval_s / np.array(tau_s))
    steps = (1.0 - keep) * drive
    steps[0] = drive[0]
    return _recursion(steps, keep)


def _recursion(drive: Float64s, keep: Float64s) -> Float64s:
    """Computes out[t] = keep * out[t - 1] + drive[t] along the first axis."""
    out = np.empty_like(drive)
    state = np.zeros(drive.shape[1:])
    for row, step in enumerate(drive):
        state = keep * state + step
        out[row] = state
    return out
