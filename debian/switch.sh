# SPDX-License-Identifier: LGPL-2.1-only
#
# How the plug-in is switched on and off; a part of the maintainer scripts.
#
# libxl runs /usr/lib/xen-VERSION/bin/libxl-save-helper.  A script of that
# name takes its place, Xen's own has .stock added to its name, and a
# diversion tells dpkg to put what xen-utils brings there.
#
#   path          .stock        diverted
#   Xen's         none          no          off
#   Xen's         the same      no          on, 1; off, 3
#   Xen's         the same      yes         on, 2; off, 2
#   the script    Xen's         yes         on
#
# Each step leads to the state of the next row (or of the previous one), and
# a crash may follow any of them: there is a helper at the path in every
# state, and doing it all again completes it.  The path changes by rename(2)
# only, never by "dpkg-divert --rename", which leaves nothing there for a
# moment.
#
# It is a script and not a link, because AppArmor checks the file that a
# link leads to, and Debian's profile of libvirtd lets it run this path and
# not ours.  The script starts Xen's own helper if ours is not there:
# between the unpacking and the configuring of another version, or when a
# package was installed only in part.
#
# Only the Xen that this package was built for is switched: libxl and its
# helper work with no other version.

lxe_of() {
    echo "/usr/lib/xen-$1/bin/libxl-save-helper"
}

lxe_is_ours() {
    grep -q '^# libxl-ext:' "$1" 2> /dev/null
}

lxe_script() {
    cat << END
#!/bin/sh
# libxl-ext: in the place of Xen's own helper, which is $1.stock
ours=/usr/libexec/libxl-ext/libxl-ext-save-helper
[ ! -x \$ours ] || exec \$ours "\$@"
exec $1.stock "\$@"
END
}

# lxe_same A B: are both there, and one file?  (POSIX has no "test -ef".)
lxe_same() {
    [ -n "$(find "$1" -prune -samefile "$2" 2> /dev/null)" ]
}

# lxe_put PATH: what is at PATH.libxl-ext becomes PATH, at once.
lxe_put() {
    sync "$1.libxl-ext"
    if lxe_same "$1.libxl-ext" "$1"; then
        rm -f "$1.libxl-ext"    # one file of two names: mv refuses
    else
        mv -f -T "$1.libxl-ext" "$1"
    fi
}

# A diversion by somebody else is left alone.
lxe_is_theirs() {
    case $(dpkg-divert --listpackage "$1") in
    '' | libxl-ext) return 1 ;;
    esac
    echo "libxl-ext: $1 is diverted by somebody else already:" \
        "not touched" >&2
}

lxe_switch_on() {
    lxe_path=$(lxe_of "$1")
    ! lxe_is_theirs "$lxe_path" || return 0
    if lxe_is_ours "$lxe_path" || { [ -e "$lxe_path.stock" ] &&
        [ -n "$(dpkg-divert --listpackage "$lxe_path")" ]; }; then
        :                       # Xen's own is safe
    elif [ -e "$lxe_path" ]; then
        ln -f -T "$lxe_path" "$lxe_path.stock"
    else
        return 0                # no Xen; the trigger tells when there is
    fi
    dpkg-divert --quiet --package libxl-ext --divert "$lxe_path.stock" \
        --no-rename --add "$lxe_path"
    # A crash may have left it as another name of Xen's own.
    rm -f "$lxe_path.libxl-ext"
    lxe_script "$lxe_path" > "$lxe_path.libxl-ext"
    chmod 755 "$lxe_path.libxl-ext"
    lxe_put "$lxe_path"
}

# lxe_switch_off [VERSION]: for all versions of Xen except VERSION.  What a
# crash left may be in dpkg's list only, or in the directory only.
lxe_switch_off() {
    lxe_list=$(LC_ALL=C dpkg-divert --list '*/libxl-save-helper' |
        sed -n 's/^diversion of \(.*\) to .* by libxl-ext$/\1/p')
    for lxe_path in $lxe_list /usr/lib/xen-*/bin/libxl-save-helper; do
        [ "$lxe_path" != "$(lxe_of "${1-}")" ] || continue
        ! lxe_is_theirs "$lxe_path" || continue
        rm -f "$lxe_path.libxl-ext"
        if lxe_is_ours "$lxe_path" ||
            [ -n "$(dpkg-divert --listpackage "$lxe_path")" ]; then
            lxe_restore "$lxe_path"
        fi
        dpkg-divert --quiet --package libxl-ext --divert \
            "$lxe_path.stock" --no-rename --remove "$lxe_path"
        if lxe_same "$lxe_path.stock" "$lxe_path"; then
            rm -f "$lxe_path.stock"
        fi
    done
}

# Gives PATH back what is at PATH.stock.
lxe_restore() {
    if [ -e "$1.stock" ]; then
        ln -T "$1.stock" "$1.libxl-ext"
        lxe_put "$1"
    elif lxe_is_ours "$1"; then
        rm -f "$1"              # Xen is gone, by force
    fi
}
