"""`python -m deepbayes.documentation` writes the generated parts of docs/reference/ anew; `--check` writes nothing.

Exit code 1 from `--check` where a page is not what would be written. TensorFlow is not imported.
"""

import argparse
import sys

from deepbayes import ROOT
from deepbayes.documentation.pages import filled, pages
from deepbayes.models.files import atomic


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m deepbayes.documentation", description="Generated parts of the pages.")
    parser.add_argument("--check", action="store_true", help="name the pages that would change; write nothing")
    check = parser.parse_args(arguments).check
    stale = []
    for page in pages():
        text = page.read_text()
        new = filled(text)
        if new != text:
            stale.append(page)
            print(f"{'not up to date' if check else 'written'}: {page.relative_to(ROOT)}")
            if not check:
                with atomic(page) as temporary:
                    temporary.write_text(new)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
