"""How good a bundle is: figures with intervals, calibration, unknowns, plots and reports."""
