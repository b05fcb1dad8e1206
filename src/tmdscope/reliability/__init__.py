"""How far one prediction of a fold ensemble can be trusted: calibration, prediction sets, novelty."""
