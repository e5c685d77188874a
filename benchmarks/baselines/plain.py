"""Route with sentence-transformers and FAISS alone: the script one would otherwise write.

Rival of the cold start in `python -m benchmarks speed`. Every line of text of an agent's
file is a passage, the agent of the nearest passage comes first. The index is kept beside
the script's first argument and made anew when it is missing.

    python benchmarks/baselines/plain.py AGENTS_FOLDER INDEX_FILE MODEL_FOLDER REQUEST
"""

import json
import sys
from pathlib import Path

import faiss
from sentence_transformers import SentenceTransformer


def main() -> None:
    """Answer one request."""
    agents, index_file, model_folder, request = sys.argv[1:]
    model = SentenceTransformer(model_folder, local_files_only=True)
    names_file = Path(f"{index_file}.json")
    if not names_file.exists():
        passages = [
            (file.stem, line.strip("- \t"))
            for file in sorted(Path(agents).rglob("*.md"))
            for line in file.read_text(encoding="utf-8").splitlines()
            if line.strip() and not line.startswith("#")
        ]
        vectors = model.encode([text for _, text in passages], normalize_embeddings=True)
        flat = faiss.IndexFlatIP(vectors.shape[1])
        flat.add(vectors)
        faiss.write_index(flat, index_file)
        names_file.write_text(json.dumps(passages), encoding="utf-8")
    index = faiss.read_index(index_file)
    passages = json.loads(names_file.read_text(encoding="utf-8"))
    similarities, rows = index.search(model.encode([request], normalize_embeddings=True), 10)
    best: dict[str, tuple[float, str]] = {}
    for similarity, row in zip(similarities[0].tolist(), rows[0].tolist(), strict=True):
        name, text = passages[row]
        best.setdefault(name, (similarity, text))
    print(json.dumps(best, indent=2))


if __name__ == "__main__":
    main()
