# shellcheck shell=sh disable=SC1091,SC2154
# Run by the test inside the image, as root, at each start: says which slot and version it is, and how it went. Changes nothing:
# the hub does the update.
. /usr/lib/keepsight/slot
starts=/var/lib/keepsight/system/test-starts
echo start >> "$starts"
nth=$(wc -l < "$starts")
echo "UPDATE slot $slot $(sed -n 's/^version = "\(.*\)"/\1/p' /usr/lib/keepsight/image.toml) start $nth"
# Done when the health service is, one way or the other; a slot that is not good is left before that.
until systemctl is-active --quiet keepsight-health.service; do sleep 1; done
journalctl --boot --unit keepsight-health.service --no-pager --output=cat | sed 's/^/UPDATE health /'
echo "UPDATE grubenv $(grub-editenv /efi/grub/grubenv list | tr '\n' ' ')"
echo "UPDATE end $slot $nth"
