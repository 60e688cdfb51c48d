# shellcheck shell=sh disable=SC2154
# Run by the test inside the image, as root, once somebody outside holds a connection to port 80. do=fill: something else than the hub
# takes all of the data partition. do=free: takes it away again.
file=/var/lib/keepsight/system/test-fill
[ "$do" = fill ] || echo "FILL still: $(stat -f -c '%f blocks of %S' /var/lib/keepsight) are free"
until grep -qs ':0050 [0-9A-F]*:[0-9A-F]* 01 ' /proc/net/tcp /proc/net/tcp6; do sleep 1; done
case $do in
    fill)
        # Nearly all at once; its own lists of blocks want some.
        fallocate -l "$(($(stat -f -c '%f * %S' /var/lib/keepsight) - (48 << 20)))" "$file"
        # What is left, the little that the hub gives up to make room too, until nothing comes any more.
        # (ext4 keeps 4,096 blocks that count as free and that nobody gets.)
        before=
        until free=$(stat -f -c %f /var/lib/keepsight) && [ "$free" = "$before" ]; do
            before=$free
            cat /dev/zero >> "$file" 2> /dev/null
        done
        sync
        echo "FILL full: $(stat -f -c '%f blocks of %S' /var/lib/keepsight) are free"
        # It stays full, whatever the hub gives up.
        while :; do cat /dev/zero >> "$file" 2> /dev/null; sleep 1; done
        ;;
    free)
        rm "$file"
        sync
        echo "FILL free"
        ;;
esac
