"""`stackelberg cite`: BibTeX for the package and for the work that each method comes from."""

from __future__ import annotations

from typing import Annotated

import typer

from . import options


ENTRIES: dict[str, str] = {
    "stackelberg": """@software{stackelberg,
  title   = {stackelberg: games in which a leader commits and followers respond},
  author  = {{The stackelberg developers}},
  year    = {2026},
  version = {VERSION}
}""",
    "multiple-lps": """@inproceedings{conitzer2006computing,
  title     = {Computing the optimal strategy to commit to},
  author    = {Conitzer, Vincent and Sandholm, Tuomas},
  booktitle = {Proceedings of the 7th ACM Conference on Electronic Commerce},
  pages     = {82--90},
  year      = {2006}
}""",
    "correlated-lp": """@inproceedings{conitzer2011commitment,
  title     = {Commitment to correlated strategies},
  author    = {Conitzer, Vincent and Korzhyk, Dmytro},
  booktitle = {Proceedings of the 25th AAAI Conference on Artificial Intelligence},
  year      = {2011}
}""",
    "bayesian-milp": """@inproceedings{paruchuri2008playing,
  title     = {Playing games for security: an efficient exact algorithm for solving {Bayesian} {Stackelberg} games},
  author    = {Paruchuri, Praveen and Pearce, Jonathan P. and Marecki, Janusz and Tambe, Milind
               and Ordonez, Fernando and Kraus, Sarit},
  booktitle = {Proceedings of the 7th International Conference on Autonomous Agents and Multiagent Systems},
  year      = {2008}
}""",
    "security": """@inproceedings{kiekintveld2009computing,
  title     = {Computing optimal randomized resource allocations for massive security games},
  author    = {Kiekintveld, Christopher and Jain, Manish and Tsai, Jason and Pita, James
               and Ordonez, Fernando and Tambe, Milind},
  booktitle = {Proceedings of the 8th International Conference on Autonomous Agents and Multiagent Systems},
  year      = {2009}
}""",
    "security-quantal": """@inproceedings{yang2012computing,
  title     = {Computing optimal strategy against quantal response in security games},
  author    = {Yang, Rong and Ordonez, Fernando and Tambe, Milind},
  booktitle = {Proceedings of the 11th International Conference on Autonomous Agents and Multiagent Systems},
  year      = {2012}
}""",
    "suqr": """@inproceedings{nguyen2013analyzing,
  title     = {Analyzing the effectiveness of adversary modeling in security games},
  author    = {Nguyen, Thanh H. and Yang, Rong and Azaria, Amos and Kraus, Sarit and Tambe, Milind},
  booktitle = {Proceedings of the 27th AAAI Conference on Artificial Intelligence},
  year      = {2013}
}""",
    "quantal-response": """@article{mckelvey1995quantal,
  title   = {Quantal response equilibria for normal form games},
  author  = {McKelvey, Richard D. and Palfrey, Thomas R.},
  journal = {Games and Economic Behavior},
  volume  = {10},
  number  = {1},
  pages   = {6--38},
  year    = {1995}
}""",
    "batch-policy-learning": """@misc{zhou2023stackelberg,
  title         = {Stackelberg batch policy learning},
  author        = {Zhou, Wenzhuo and Qu, Annie},
  year          = {2023},
  eprint        = {2309.16188},
  archiveprefix = {arXiv}
}""",
    "conservative-q-learning": """@inproceedings{kumar2020conservative,
  title     = {Conservative {Q}-learning for offline reinforcement learning},
  author    = {Kumar, Aviral and Zhou, Aurick and Tucker, George and Levine, Sergey},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {33},
  year      = {2020}
}""",
    "adversarial-actor-critic": """@inproceedings{cheng2022adversarially,
  title     = {Adversarially trained actor critic for offline reinforcement learning},
  author    = {Cheng, Ching-An and Xie, Tengyang and Jiang, Nan and Agarwal, Alekh},
  booktitle = {Proceedings of the 39th International Conference on Machine Learning},
  year      = {2022}
}""",
    "bellman-pessimism": """@inproceedings{xie2021bellman,
  title     = {{Bellman}-consistent pessimism for offline reinforcement learning},
  author    = {Xie, Tengyang and Cheng, Ching-An and Jiang, Nan and Mineiro, Paul and Agarwal, Alekh},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {34},
  year      = {2021}
}""",
    "quantal-stackelberg": """@misc{chen2023actions,
  title         = {Actions speak what you want: provably sample-efficient reinforcement learning of the
                   quantal {Stackelberg} equilibrium from strategic feedbacks},
  author        = {Chen, Siyu and Wang, Mengdi and Yang, Zhuoran},
  year          = {2023},
  eprint        = {2307.14085},
  archiveprefix = {arXiv}
}""",
    "fractional-programming": """@article{dinkelbach1967nonlinear,
  title   = {On nonlinear fractional programming},
  author  = {Dinkelbach, Werner},
  journal = {Management Science},
  volume  = {13},
  number  = {7},
  pages   = {492--498},
  year    = {1967}
}""",
    "level-k": """@article{stahl1995players,
  title   = {On players' models of other players: theory and experimental evidence},
  author  = {Stahl, Dale O. and Wilson, Paul W.},
  journal = {Games and Economic Behavior},
  volume  = {10},
  number  = {1},
  pages   = {218--254},
  year    = {1995}
}""",
    "highs": """@article{huangfu2018parallelizing,
  title   = {Parallelizing the dual revised simplex method},
  author  = {Huangfu, Qi and Hall, J. A. Julian},
  journal = {Mathematical Programming Computation},
  volume  = {10},
  number  = {1},
  pages   = {119--142},
  year    = {2018}
}""",
}


def cite(
    method: Annotated[str | None, typer.Argument(help="One of: " + ", ".join(ENTRIES) + ". All when left out.")] = None,
    as_json: options.Json = False,
    out: options.Out = None,
    quiet: options.Quiet = False,
    json_schema: options.Schema = None,
) -> None:
    """Print BibTeX for the package and for the work behind each method."""
    del json_schema, quiet
    from importlib import metadata

    from .. import _boundary as boundary
    from .output import deliver

    names = list(ENTRIES) if method is None else [boundary.one_of("method", method, ENTRIES)]
    entries = {name: ENTRIES[name].replace("VERSION", metadata.version("stackelberg")) for name in names}
    deliver("cite", {"entries": entries}, "\n\n".join(entries.values()), as_json=as_json, out=out)
