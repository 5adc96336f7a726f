"""What can be said on the command line."""

from __future__ import annotations

import argparse
from typing import NoReturn

from geoad import __version__
from geoad.bench import KERNELS
from geoad.cli import arguments as a

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; the usage is one --help away."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"geoad: error: {a.one_line(message)} (see {self.prog} --help)\n")


def build_parser() -> Parser:
    """Return the parser of all commands."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    common.add_argument("--threads", type=a.count, metavar="N", help="CPU threads (default: what the libraries take)")
    parser = Parser(prog="geoad", description="Find geometric defects in 3D scans when only good parts are known.")
    parser.add_argument("--version", action="version", version=f"geoad {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, text: str, module: str | None = None, among: object = commands) -> Parser:
        added: Parser = among.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", parents=[common])  # type: ignore[attr-defined]
        added.set_defaults(module=module or name, parser=added)
        return added

    _demo(command("demo", "simulate scans, train two methods, score and evaluate them"))
    command("list", "name the detectors, the datasets and the weights", "names")
    command("info", "say what runs on this machine, and why the rest does not")
    data = commands.add_parser("data", help="make or check a dataset", description="Make or check a dataset.")
    verbs = data.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _make(command("make", "write a simulated dataset", "make", verbs))
    _check(command("check", "report every fault of a dataset at once", "check", verbs))
    _pretrain(command("pretrain", "train a teacher on scenes of solids, meshes or scans"))
    _fit(command("fit", "train a detector on good parts"))
    _score(command("score", "write an anomaly map for every scan"))
    _evaluate(command("evaluate", "compute the metrics of maps, whoever made them"))
    _benchmark(command("benchmark", "measure methods as a paper did, and print its numbers beside"))
    _bench(command("bench", "compare kernels with their peers: outputs first, then time and memory"))
    return parser


def _demo(parser: Parser) -> None:
    parser.add_argument(
        "--out", type=a.place, default="demo", metavar="FOLDER", help="where everything goes (default: demo)"
    )
    parser.add_argument("--jobs", type=a.count, default=2, metavar="N", help="processes side by side (default: 2)")
    parser.add_argument(
        "--quick", action="store_true", help="a few steps on few points: a look at how it works, not at numbers"
    )


def _make(parser: Parser) -> None:
    parser.add_argument("name", choices=["sim3d"], help="which simulator")
    parser.add_argument(
        "root", type=a.place, metavar="ROOT", help="an empty or new folder, or one that an earlier run began"
    )
    parser.add_argument(
        "--categories",
        "--category",
        nargs="+",
        action="extend",
        metavar="C",
        help="only these: bagel foam, or bagel,foam",
    )
    sizes = "tiny: 52 scans a category of 300 pixels a side, small: 156 of 400, full: as the originals (default: tiny)"
    parser.add_argument("--size", default="tiny", choices=["tiny", "small", "full"], help=sizes)
    parser.add_argument(
        "--scale", type=a.factor, default=1.0, metavar="X", help="multiply the images' sides, or the points"
    )
    parser.add_argument(
        "--unorganised",
        action="store_true",
        help="labelled clouds from all around, in Real3D-AD's tree (.pcd and .txt), for other programs to read",
    )
    parser.add_argument("--seed", type=a.natural, default=0, metavar="N", help="default: 0")
    parser.add_argument("--jobs", type=a.count, default=1, metavar="N", help="processes side by side (default: 1)")


def _check(parser: Parser) -> None:
    parser.add_argument(
        "data", type=a.dataset, metavar="NAME:ROOT", help="dataset and its folder, mvtec3d:scans for one"
    )
    parser.add_argument("--category", metavar="C", help="only this category")


def _data(parser: Parser, required: bool, default: str) -> None:
    parser.add_argument("--data", type=a.dataset, required=required, metavar="NAME:ROOT", help="dataset and its folder")
    parser.add_argument("--category", metavar="C", help=f"only this category (default: {default})")


def _device(parser: Parser) -> None:
    parser.add_argument("--device", type=a.device, default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")


def _pretrain(parser: Parser) -> None:
    goes_on = (
        "folder of the run; the same command goes on where it stopped, with more --steps beyond its end (not where "
        "these decide how the rate falls, as with --preset quick)"
    )
    parser.add_argument("--out", type=a.place, required=True, metavar="RUN", help=goes_on)
    parser.add_argument("--width", type=a.count, default=64, metavar="D", help="width of the descriptors (default: 64)")
    parser.add_argument("--steps", type=a.count, metavar="N", help="default: 250000, or what the preset says")
    quick = (
        "start from these keywords: a good teacher in half an hour of one core, once the scenes are drawn (half a "
        "second and 9 MB each)"
    )
    parser.add_argument("--preset", choices=["quick"], help=quick)
    parser.add_argument("--scenes", type=a.count, default=1000, metavar="N", help="default: 1000")
    chosen = "scenes that choose the best teacher (default: 50)"
    parser.add_argument("--validation-scenes", type=a.count, default=50, metavar="N", help=chosen)
    parser.add_argument(
        "--points", type=a.count, default=64_000, metavar="N", help="points of a scene (default: 64000)"
    )
    sources = "solids, meshes:FOLDER, modelnet10:ROOT, modelnet10-download:ROOT or scans:FOLDER (default: solids)"
    parser.add_argument("--source", default="solids", help=sources)
    kept = "where scenes are drawn and kept; several runs may share it (default: RUN/scenes)"
    parser.add_argument("--scenes-folder", metavar="FOLDER", help=kept)
    elsewhere = "checkpoint.pt of an earlier sitting, on any machine, to start a new RUN from"
    parser.add_argument("--continue-from", metavar="FILE", help=elsewhere)
    until = "stop after so many hours and write the best teacher so far, as Ctrl-C does"
    parser.add_argument("--hours", type=a.hours, metavar="H", help=until)
    keyword = "a keyword of the pretraining, such as k=16, coordinates=absolute or rotate=True"
    parser.add_argument("--set", type=a.setting, action="append", default=[], metavar="KEY=VALUE", help=keyword)
    parser.add_argument("--seed", type=a.natural, default=0, metavar="N", help="default: 0")
    parser.add_argument("--jobs", type=a.count, default=1, metavar="N", help="processes that draw scenes (default: 1)")
    _device(parser)
    _precision(parser)


def _precision(parser: Parser) -> None:
    parser.add_argument("--precision", default="32-true", choices=PRECISIONS, help="default: 32-true")


def _fit(parser: Parser) -> None:
    parser.add_argument("detector", type=a.detector, metavar="DETECTOR", help="a name that `geoad list` shows")
    _data(parser, required=True, default="every one, each in RUN/<category>")
    parser.add_argument(
        "--out",
        type=a.place,
        required=True,
        metavar="RUN",
        help="folder of the run; the same command goes on where it stopped",
    )
    parser.add_argument(
        "--set", type=a.setting, action="append", default=[], metavar="KEY=VALUE", help="a keyword of the detector"
    )
    presets = "start from these keywords: tiny, for a first look, or thesis (3d-st): 100 epochs on whole clouds, "
    presets += "half a CPU second a step"
    parser.add_argument("--preset", choices=a.PRESETS, help=presets)
    parser.add_argument("--seed", type=a.natural, default=0, metavar="N", help="default: 0")
    _device(parser)
    share = "processes that share each batch, on a GPU each or all on the CPU (default: 1)"
    parser.add_argument("--devices", type=a.count, default=1, metavar="N", help=share)
    every = "training steps between two checkpoints (default: 500)"
    parser.add_argument("--checkpoint-every", type=a.count, default=500, metavar="N", help=every)
    held = "of a dataset without validation scans keep the last ones of the training scans, this part of them, for the "
    held += "threshold and to choose the best state by"
    parser.add_argument("--hold-out", type=a.share, metavar="SHARE", help=held)
    kinds = "how the threshold follows from validation parts (default: maximum)"
    rules = ["maximum", "quantile", "k-sigma", "max-area"]
    parser.add_argument("--threshold", default="maximum", choices=rules, help=kinds)
    _precision(parser)


def _score(parser: Parser) -> None:
    parser.add_argument("run", type=a.place, metavar="RUN", help="folder that `geoad fit` wrote")
    parser.add_argument(
        "files", nargs="*", default=[], metavar="FILE", help="scans, or folders of scans, instead of --data"
    )
    _data(parser, required=False, default="every one; of a run fitted to one, that one")
    parser.add_argument("--split", default="test", choices=["train", "validation", "test"], help="default: test")
    parser.add_argument(
        "--out", type=a.place, required=True, metavar="MAPS", help="folder for .tiff maps and .png pictures"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace maps of the same names")
    parser.add_argument("--jsonl", action="store_true", help="print one JSON object a part")
    _device(parser)


def _evaluate(parser: Parser) -> None:
    parser.add_argument("maps", metavar="MAPS", help="MAPS[/CATEGORY]/test/KIND/NAME.tiff or .npy, of the masks' size")
    what = "dataset and its folder; mvtec-loco:ROOT for saturated overlap"
    parser.add_argument("--data", type=a.ground_truth, required=True, metavar="NAME:ROOT", help=what)
    parser.add_argument("--category", metavar="C", help="only this category (default: every one)")
    limits = "integration limits of areas (default: 0.05,0.3; mvtec-loco: 0.05)"
    parser.add_argument("--limits", type=a.limits, metavar="A,B", help=limits)
    modes = "exact curve; 100 thresholds of the published script; the same at 224x224 (default: exact)"
    parser.add_argument("--mode", default="exact", choices=["exact", "official", "community-224"], help=modes)
    corners = "regions of pixels that touch at a corner are one (8, as in the published script: default) or two (4)"
    parser.add_argument("--connectivity", type=int, default=8, choices=[4, 8], help=corners)
    parser.add_argument("--resize", action="store_true", help="interpolate maps of another size than their masks")
    parser.add_argument(
        "--threshold", metavar="FILE", help="a threshold.json, or a run with one, to try on the test set"
    )
    parser.add_argument(
        "--bootstrap", type=a.natural, default=0, metavar="N", help="intervals from N draws of the images"
    )
    parser.add_argument("--versus", metavar="MAPS", help="other maps of these images: which are better, and how surely")
    beside = "print published numbers beside, and say how the protocols differ"
    parser.add_argument("--against", choices=["published"], help=beside)
    parser.add_argument("--jobs", type=a.count, default=1, metavar="N", help="processes that read maps (default: 1)")
    parser.add_argument(
        "--out",
        type=a.place,
        required=True,
        metavar="FOLDER",
        help="for metrics.json, metrics.csv and pictures of the curves",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the results of another command")


def _benchmark(parser: Parser) -> None:
    parser.add_argument("name", choices=["thesis-3d"], help="tables 9.3 to 9.5 of Bergmann's thesis, and 3d-st")
    parser.add_argument("--data", type=a.dataset, required=True, metavar="NAME:ROOT", help="dataset and its folder")
    where = "for cells, tables and pictures; the same command goes on where it stopped, more cells may be added"
    parser.add_argument("--out", type=a.place, required=True, metavar="FOLDER", help=where)
    only = "such as bagel,foam (default: every one)"
    parser.add_argument("--categories", "--category", type=a.words, metavar="C,C", help=only)
    parser.add_argument(
        "--methods", type=a.words, metavar="M,M", help="such as voxel-ae,voxel-ae-rgb (default: all 14)"
    )
    parser.add_argument("--seeds", type=a.seeds, default=(0,), metavar="N,N", help="such as 0,1,2 (default: 0)")
    sizes = "length of training: tiny a few steps, small --iterations of each stage (3d-st: its defaults), full the "
    sizes += "thesis's (default: small)"
    parser.add_argument("--size-preset", default="small", choices=["tiny", "small", "full"], help=sizes)
    steps = "steps of each stage of small (default: 500)"
    parser.add_argument("--iterations", type=a.count, default=500, metavar="N", help=steps)
    latents = "also these latent dimensions of voxel-ae, voxel-fanogan, depth-ae and depth-fanogan (table 9.5: no "
    latents += "colours), such as 128,512,2048"
    parser.add_argument("--latents", type=a.dimensions, metavar="D,D", help=latents)
    parser.add_argument("--jobs", type=a.count, default=1, metavar="N", help="processes side by side (default: 1)")
    parser.add_argument("--keep-maps", action="store_true", help="leave the anomaly maps of every cell on disk")
    _device(parser)
    _precision(parser)


def _bench(parser: Parser) -> None:
    parser.add_argument(
        "kernels", type=a.kernel, nargs="+", metavar="KERNEL", help=f"{', '.join(KERNELS)}, or all of them: all"
    )
    sizes = "such as 4096,64k,1M (k: 1024, M: a million; default: the kernel's own)"
    parser.add_argument("--sizes", type=a.sizes, metavar="N,N", help=sizes)
    parser.add_argument("--cases", type=a.words, metavar="C,C", help="such as scan,cube (default: every one)")
    neighbours = "neighbours of knn, radius, window and aggregate (default: the kernel's own)"
    parser.add_argument("--k", type=a.count, metavar="K", help=neighbours)
    parser.add_argument("--backends", type=a.words, metavar="B,B", help="such as numba,pykdtree (default: every one)")
    parser.add_argument("--repeats", type=a.count, metavar="N", help="timed calls (default: CPU 7, CUDA 50)")
    patience = "a contestant that has taken this long on a case is not called again (default: 10)"
    parser.add_argument("--patience", type=a.seconds, default=10.0, metavar="SECONDS", help=patience)
    parser.add_argument(
        "--out", type=a.place, default="bench", metavar="FOLDER", help="for KERNEL.json and .png (default: bench)"
    )
    _device(parser)
