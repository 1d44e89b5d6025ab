"""How predictions lie on disk: one reader for `Predictions.load` and `levelhead evaluate`, one writer a format.

| format | arrays | ids | role, class names, meta |
|-|-|-|-|
| `.safetensors` | `logits` or `probs`, `labels` | `ids`, or `ids_utf8` + `ids_length` for strings | header |
| `.npz` | the same names | `ids` | `role`, `classes`, `meta` (JSON) |
| `.parquet` | columns `logits_0`... or `probs_0`..., `label` | column `id` | schema metadata |
| `.csv` | the same columns, float64 in full | column `id` | role as a column; the rest is not kept |

That is what is written. What is read may be somebody else's: `store.py` opens a file as named columns, `names.py`
decides what they mean, `contents.py` makes scores, labels and class names of them.
"""
