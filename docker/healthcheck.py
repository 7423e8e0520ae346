"""Docker's question to the service in the same container: `healthcheck.py [path]`, exit code 0 for a good answer."""

import os
import sys
import urllib.request

path = sys.argv[1] if len(sys.argv) > 1 else "/health"
without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    without_proxy.open(f"http://127.0.0.1:{os.environ['PORT']}{path}", timeout=2).close()
except OSError as error:  # URLError and HTTPError are some
    sys.exit(f"{path}: {error}")
