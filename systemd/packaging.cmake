# SPDX-License-Identifier: MIT
# What `cmake --install` puts where, and the Debian package of it: the targets `package` (after
# everything is built) and `deb` (after the two programs only), both build/PRESET/tapring_*.deb.
include(GNUInstallDirs)

if(TARGET tapringd)
  install(TARGETS tapringd DESTINATION ${CMAKE_INSTALL_SBINDIR})
endif()
if(TARGET tapring)
  install(TARGETS tapring DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
# systemd and Xen look below /lib and /etc, whatever the prefix is.
install(FILES systemd/tapringd.service DESTINATION /lib/systemd/system)
install(FILES systemd/images.conf DESTINATION /etc/systemd/system/tapringd.service.d)
install(FILES systemd/tapringd.toml DESTINATION /etc/tapring)
install(PROGRAMS systemd/block-tapring DESTINATION /etc/xen/scripts)
install(FILES docs/tapringd.8 docs/tapring.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tapring)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION
    "tapringd serves the disks of Xen guests, and of dom0 itself, from image files: disk lines such
as tap:aio:/srv/a.img,xvda,w reach it through the toolstack as it is. tapring shows what it does.")
set(CPACK_PACKAGE_CONTACT "The tapring developers <tapring@localhost>")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "init-system-helpers, kmod")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "xen-utils, xen-utils-common")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${PROJECT_SOURCE_DIR}/systemd/debian/conffiles
    ${PROJECT_SOURCE_DIR}/systemd/debian/postinst
    ${PROJECT_SOURCE_DIR}/systemd/debian/prerm
    ${PROJECT_SOURCE_DIR}/systemd/debian/postrm)
include(CPack)

if(TARGET tapringd AND TARGET tapring)
  add_custom_target(deb
    COMMAND ${CMAKE_CPACK_COMMAND} --config ${PROJECT_BINARY_DIR}/CPackConfig.cmake
    DEPENDS tapringd tapring
    COMMENT "Making the Debian package"
    USES_TERMINAL)
endif()
