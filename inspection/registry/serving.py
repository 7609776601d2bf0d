"""The model as MLflow serves it (models from code: MLflow runs this file, so that nothing is pickled).

A row of input names a file that this software can read; each of its wafers becomes a row of output.

Examples
--------
::

    model = mlflow.pyfunc.load_model("models:/wafer-defects@champion")
    model.predict(pandas.DataFrame({"path": ["lot7.kla"]}))   # path, lot, wafer, label, decision, index, probability
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

if TYPE_CHECKING:
    from inspection.scoring.decision import Scored
    from inspection.scoring.predictor import Predictor
    from inspection.wafer.maps import SourceWafer

COLUMNS = ("path", "lot", "wafer", "label", "decision", "index", "probability")
BATCH = 64


class WaferModel(PythonModel):
    """Reads files with the training code's readers and scores them with the bundle."""

    def load_context(self, context: Any) -> None:
        """Load and verify the bundle that was logged with the model."""
        from inspection.scoring.predictor import Predictor  # noqa: PLC0415  (TensorFlow: only when the model is loaded)

        self._predictor: Predictor = Predictor.load(Path(context.artifacts["bundle"]), batch_sizes=(BATCH,))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        """One row per wafer of each file in the column ``path``."""
        from inspection.formats.table import read  # noqa: PLC0415
        from inspection.params import Ingest  # noqa: PLC0415

        rows: list[dict[str, Any]] = []
        for path in model_input["path"]:
            source = iter(read(Path(path), Ingest()))
            while batch := list(islice(source, BATCH)):
                scored = self._predictor.score(self._predictor.prepare([wafer.map for wafer in batch]))
                rows += [_row(path, wafer, outcome) for wafer, outcome in zip(batch, scored, strict=True)]
        return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(path: str, wafer: SourceWafer, outcome: Scored) -> dict[str, Any]:
    info = wafer.map.info
    return {
        "path": path,
        "lot": info.lot,
        "wafer": info.wafer,
        "label": outcome.label,
        "decision": outcome.decision,
        "index": wafer.index,
        "probability": outcome.probability,
    }


set_model(WaferModel())
