# shellcheck shell=sh disable=SC1091,SC2154,SC2012
# Run by the test inside the image, as root: says what a healthy system looks like, a line each.
say() { echo "LOOK $*"; }
systemctl is-system-running --wait > /dev/null
for unit in $(systemctl list-units --failed --plain --no-legend | cut -d' ' -f1); do
    say "failed $unit"
    journalctl --boot --unit "$unit" --no-pager --output=cat --lines=20 | sed "s/^/LOOK why $unit: /"
done
# A service that fails again and again is not "failed" but about to be started.
[ "$(systemctl is-active keepsight.service)" = active ] || {
    say "failed keepsight.service"
    journalctl --boot --unit keepsight.service --no-pager --output=cat --lines=12 | sed "s/^/LOOK why keepsight.service: /"
}
say "cycles $(journalctl --boot --no-pager | grep -c 'ordering cycle')"
# What could not be started but is in no state of failure; nothing of this test was done yet.
journalctl --boot --no-pager --output=cat --identifier=systemd | grep '^Failed to start\|^Dependency failed\|Refusing to start' | sed 's/^/LOOK failed /'
say "root $(sed -n 's#^[^ ]* / \([^ ]*\) \([a-z]*\),.*#\1 \2#p' /proc/mounts)"
say "verity $(dmsetup status root)"
say "machine-id $(cat /etc/machine-id) kept $(cat /var/lib/keepsight/system/machine-id)"
say "data $(sed -n 's#^[^ ]* /var/lib/keepsight \([^ ]*\) \(.*\) 0 0#\1 \2#p' /proc/mounts)"
say "grubenv $(grub-editenv /efi/grub/grubenv list | tr '\n' ' ')"
say "rauc $(rauc status --output-format=json)"
say "hub-rauc $(setpriv --reuid=keepsight --regid=keepsight --clear-groups rauc status --output-format=shell | grep -c RAUC_)"
say "partitions $(ls /dev/disk/by-partlabel | tr '\n' ' ')"
say "swap $(tail -n +2 /proc/swaps | cut -d' ' -f1 | tr '\n' ' ')"
say "ports $(sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) [0-9A-F]*:[0-9A-F]* 0A .*/tcp \1/p' /proc/net/tcp /proc/net/tcp6 | sort -u | tr '\n' ' ')"
say "security $(systemd-analyze security --no-pager | awk '{ print $1 "=" $2 }' | tr '\n' ' ')"
say "times $(systemd-analyze time | tr '\n' ' ')"
say "slowest $(systemd-analyze blame | head -n 8 | tr -s ' ' | tr '\n' ',')"
say "memory $(sed -n 's/^MemAvailable: *//p' /proc/meminfo)"
# The hub and its children have a part each of their group, also after a start that nobody planned; while there is nothing to lose.
if [ "$(cat /run/keepsight/claimed)" = no ]; then
    before=$(systemctl show --value --property=MainPID keepsight.service)
    systemctl kill --signal=KILL --kill-whom=main keepsight.service
    until [ "$(systemctl is-active keepsight.service)" = active ] && [ "$(systemctl show --value --property=MainPID keepsight.service)" != "$before" ]; do
        sleep 0.2
    done
fi
group=/sys/fs/cgroup/system.slice/keepsight.service
say "groups $(sed 's#.*/##' "/proc/$(systemctl show --value --property=MainPID keepsight.service)/cgroup") $(cat $group/vision/cpu.weight) $(cat $group/vision/memory.max)"
say "end"
