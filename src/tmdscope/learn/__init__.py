"""Training, cross-validation and metrics; knows no tracker."""
