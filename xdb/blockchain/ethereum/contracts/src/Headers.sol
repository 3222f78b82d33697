// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Block headers: whose they are, and what stands in them
library Headers {
    /// @dev EIP-2935: the hashes of the last 8,191 blocks.
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    uint256 private constant TIMESTAMP = 11;
    uint256 private constant MIX_HASH = 13;

    /// @dev The hash of an earlier block, 0 when the chain no longer tells it.
    function hashOf(uint256 number) internal view returns (bytes32 found) {
        found = blockhash(number);
        if (found != 0) return found;
        (bool ok, bytes memory answer) = HISTORY.staticcall(abi.encode(number));
        if (ok && answer.length == 32) found = bytes32(answer);
    }

    /// @dev Timestamp and prevrandao. The header's hash was checked, so it is well-formed.
    function read(bytes calldata header) internal pure returns (uint256 time, bytes32 random) {
        uint256 place = _content(header, 0);
        for (uint256 field = 0; field < MIX_HASH; ++field) {
            uint256 content = _content(header, place);
            place = _end(header, place);
            if (field == TIMESTAMP) {
                time = uint256(bytes32(header[content:])) >> (8 * (32 + content - place));
            }
        }
        random = bytes32(header[place + 1:]);
    }

    /// @dev Where the content of the item at `place` begins (RLP).
    function _content(bytes calldata header, uint256 place) private pure returns (uint256) {
        uint256 first = uint8(header[place]);
        if (first < 0x80) return place;
        if (first < 0xb8) return place + 1;
        if (first < 0xc0) return place + first - 0xb6;
        return first < 0xf8 ? place + 1 : place + first - 0xf6;
    }

    /// @dev Where the string at `place` ends.
    function _end(bytes calldata header, uint256 place) private pure returns (uint256) {
        uint256 first = uint8(header[place]);
        if (first < 0x80) return place + 1;
        if (first < 0xb8) return place + first - 0x7f;
        uint256 width = first - 0xb7;
        uint256 length = uint256(bytes32(header[place + 1:])) >> (8 * (32 - width));
        return place + 1 + width + length;
    }
}
