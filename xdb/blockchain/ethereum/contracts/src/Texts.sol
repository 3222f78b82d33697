// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Texts that everybody can list: as in `xdb/core/rules/limits.py`
library Texts {
    /// @dev Whether `text` is UTF-8 without control, invisible or direction-changing characters.
    function isSeen(bytes memory text) internal pure returns (bool) {
        uint256 place = 0;
        while (place < text.length) {
            (uint256 character, uint256 width) = _character(text, place);
            if (width == 0 || _isUnseen(character)) return false;
            place += width;
        }
        return true;
    }

    /// @dev Whether `text` is host:port, IPv4:port or [IPv6]:port.
    function isAddress(bytes memory text) internal pure returns (bool) {
        uint256 colon = text.length;
        while (colon > 0 && text[colon - 1] != ":") --colon;
        if (colon < 2 || !_isPort(text, colon)) return false;
        return text[0] == "[" ? _isBracketed(text, colon - 1) : _isHost(text, colon - 1);
    }

    /// @dev The character at `place` and its bytes, 0 when it is no well-formed UTF-8 (RFC 3629).
    function _character(bytes memory text, uint256 place) private pure returns (uint256, uint256) {
        uint256 first = uint8(text[place]);
        if (first < 0x80) return (first, 1);
        uint256 width = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        if (first < 0xc2 || first > 0xf4 || place + width > text.length) return (0, 0);
        uint256 value = first & (0x7f >> width);
        for (uint256 i = 1; i < width; ++i) {
            uint256 next = uint8(text[place + i]);
            if (next & 0xc0 != 0x80) return (0, 0);
            value = (value << 6) | (next & 0x3f);
        }
        uint256 least = width == 2 ? 0x80 : width == 3 ? 0x800 : 0x10000;
        if (value < least || value > 0x10ffff) return (0, 0);
        return (value, width);
    }

    function _isUnseen(uint256 c) private pure returns (bool) {
        if (c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0xad || c == 0xfeff) return true;
        if (c >= 0x200b && c <= 0x206f) return c <= 0x200f || c >= 0x2060 || (c >= 0x2028 && c <= 0x202e);
        return (c >= 0xd800 && c <= 0xdfff) || (c >= 0xfff9 && c <= 0xfffb);
    }

    function _isPort(bytes memory text, uint256 from) private pure returns (bool) {
        uint256 digits = text.length - from;
        if (digits == 0 || digits > 5 || text[from] == "0") return false;
        uint256 port = 0;
        for (uint256 i = from; i < text.length; ++i) {
            if (!_isIn(text[i], "0", "9")) return false;
            port = port * 10 + uint8(text[i]) - 48;
        }
        return port <= 65535;
    }

    function _isBracketed(bytes memory text, uint256 end) private pure returns (bool) {
        if (end < 4 || end > 47 || text[end - 1] != "]") return false;
        for (uint256 i = 1; i < end - 1; ++i) {
            bytes1 c = text[i];
            bool isHex = _isIn(c, "0", "9") || _isIn(c, "A", "F") || _isIn(c, "a", "f");
            if (!isHex && c != ":" && c != ".") return false;
        }
        return true;
    }

    function _isHost(bytes memory text, uint256 end) private pure returns (bool) {
        for (uint256 i = 0; i < end; ++i) {
            bytes1 c = text[i];
            bool isWord = _isIn(c, "0", "9") || _isIn(c, "A", "Z") || _isIn(c, "a", "z");
            bool isInside = i > 0 && i < end - 1 && (c == "." || c == "_" || c == "-");
            if (!isWord && !isInside) return false;
        }
        return true;
    }

    function _isIn(bytes1 c, bytes1 first, bytes1 last) private pure returns (bool) {
        return first <= c && c <= last;
    }
}
