import sys
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).parent.parent / "tts_service")
)  # the demo's requests are the same for this service
