# shellcheck shell=sh disable=SC1091,SC2154,SC2012
# Run by the test inside the image, as root, at each start: installs the update once, as the hub does it, then says how it is.
. /usr/lib/keepsight/slot
echo "UPDATE slot $slot $(sed -n 's/^version = "\(.*\)"/\1/p' /usr/lib/keepsight/image.toml)"
if [ ! -e /var/lib/keepsight/system/test-installed ]; then
    # The test claims and records first; until then the server has nothing to install.
    until rauc info http://10.0.2.2:18081/update.raucb > /dev/null 2>&1; do sleep 3; done
    touch /var/lib/keepsight/system/test-installed
    sync
    setpriv --reuid=keepsight --regid=keepsight --clear-groups rauc install http://10.0.2.2:18081/update.raucb 2>&1 | tail -n 3 | sed 's/^/UPDATE said /'
    echo "UPDATE installed $(grub-editenv /efi/grub/grubenv list | tr '\n' ' ')"
    systemctl reboot
    exit
fi
# Done when the health service is, one way or the other; a slot that is not good is left before that.
until systemctl is-active --quiet keepsight-health.service; do sleep 1; done
journalctl --boot --unit keepsight-health.service --no-pager --output=cat | sed 's/^/UPDATE health /'
echo "UPDATE grubenv $(grub-editenv /efi/grub/grubenv list | tr '\n' ' ')"
echo "UPDATE end $slot"
