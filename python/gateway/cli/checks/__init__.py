"""What `gateway doctor` looks at, a file for each kind. `base.py` says what a check is, `patient.py` what it gets."""

from __future__ import annotations
