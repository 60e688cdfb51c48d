# shellcheck shell=sh
# Run by the test inside the image, as root: what `keepsight check` says of the hub that runs.
keepsight check --config /etc/keepsight/keepsight.toml 2>&1 | sed 's/^/CHECK said /'
keepsight check --config /etc/keepsight/keepsight.toml > /dev/null 2>&1
echo "CHECK exit $?"
echo "CHECK end"
