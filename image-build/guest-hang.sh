# shellcheck shell=sh
# Run by the test inside the image, as root, on a machine with a watchdog: stops process 1, as a system that hangs does. Once.
hung=/var/lib/keepsight/system/test-hung
for device in /sys/class/watchdog/watchdog*; do
    echo "HANG watchdog $(cat "$device/identity"), $(cat "$device/state"), $(cat "$device/timeout") s"
done
[ ! -e "$hung" ] || { echo "HANG before"; exit; }
: > "$hung"
sync
echo "HANG now"
echo 1 > /sys/fs/cgroup/init.scope/cgroup.freeze
