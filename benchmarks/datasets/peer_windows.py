"""robomimic's process: reads windows with its own dataset class, as it is told line by line.

Run in an interpreter that has robomimic and nothing of metasim: it gets and gives JSON, a line each.
"""

import contextlib
import importlib
import importlib.metadata
import json
import sys
import time


def main() -> None:
    """Answer until there are no more questions."""
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # robomimic talks
        data = None
        for line in sys.stdin:
            asked = json.loads(line)
            try:
                if asked["do"] == "open":
                    data = opened(asked)
                    said = {"windows": len(data), "version": importlib.metadata.version("robomimic")}
                else:
                    said = read(data, asked["numbers"])
            except Exception as error:  # whatever it is, the other side has to know
                said = {"error": f"{type(error).__name__}: {error}"}
            answers.write(json.dumps(said) + "\n")
            answers.flush()


def opened(asked):
    """Open a file as robomimic's trainings do, but without its cache."""
    obs_utils = importlib.import_module("robomimic.utils.obs_utils")
    dataset = importlib.import_module("robomimic.utils.dataset")
    obs_utils.initialize_obs_modality_mapping_from_dict({"low_dim": asked["low_dim"], "rgb": asked["rgb"]})
    return dataset.SequenceDataset(
        hdf5_path=asked["path"],
        obs_keys=[*asked["low_dim"], *asked["rgb"]],
        dataset_keys=asked["arrays"],
        seq_length=asked["length"],
        hdf5_cache_mode=None,
        load_next_obs=False,
    )


def read(data, numbers):
    """Read some windows, and return the time and the sum of the last one's first array."""
    sample = {}
    start = time.perf_counter()
    for number in numbers:
        sample = data[number]
    seconds = time.perf_counter() - start
    first = next(iter(sample["obs"].values()))
    return {"seconds": seconds, "sum": float(first.astype("float64").sum())}


if __name__ == "__main__":
    main()
