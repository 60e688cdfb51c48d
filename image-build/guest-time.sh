# shellcheck shell=sh
# Run by the test inside the image, as root: says when time servers begin to be asked, and when that ends.
until systemctl is-active --quiet systemd-timesyncd.service; do sleep 1; done
echo "TIME on"
while systemctl is-active --quiet systemd-timesyncd.service; do sleep 1; done
echo "TIME off"
