// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {vm} from "./Net.sol";
import {Scene} from "./Scene.sol";

/// @title Receipts at the edges of EIP-2098
/// @notice Whatever r and s are, ecrecover finds whose signature they would be; the node then
/// registers that signer, so nothing but the form of the signature is left to refuse.
contract ReceiptsTest is Scene {
    uint256 private constant HALF = ORDER / 2;
    uint256 private constant TOP = 1 << 255;

    /// @dev A file whose receipt is (r, s, v) and the address that is recovered from it.
    function _with(uint256 r, uint256 s, uint256 v)
        private
        view
        returns (NewFile memory fresh, address signer)
    {
        fresh = _unsigned(1);
        fresh.holders[0].r = bytes32(r);
        fresh.holders[0].vs = bytes32(s | (v << 255));
        signer = ecrecover(_digestOf(fresh), uint8(27 + v), bytes32(r), bytes32(s));
    }

    /// @dev r of some signature, so that a point has it.
    function _r() private pure returns (uint256) {
        (, bytes32 r,) = vm.sign(KEY, "anything");
        return uint256(r);
    }

    function _whySignature(NewFile memory fresh) private view returns (bytes memory) {
        return abi.encodeWithSelector(Receipt.selector, _idOf(fresh), 1, bytes32("signature"));
    }

    function test_greatestLowS(bool odd) external {
        (NewFile memory fresh, address signer) = _with(_r(), HALF, odd ? 1 : 0);
        require(signer != address(0), "nobody's");
        _register(signer);
        _done(OWNER, _publishing(fresh));
    }

    function test_leastHighSIsRefused(bool odd) external {
        (NewFile memory fresh, address signer) = _with(_r(), HALF + 1, odd ? 1 : 0);
        require(signer != address(0), "nobody's");
        _register(signer);
        _refused(OWNER, _publishing(fresh), _whySignature(fresh));
    }

    function test_otherFormOfASignatureIsRefused() external {
        _register(vm.addr(KEY));
        NewFile memory fresh = _signedFile(1);
        uint256 vs = uint256(fresh.holders[0].vs);
        uint256 other = (ORDER - (vs & (TOP - 1))) | ((vs ^ TOP) & TOP);
        fresh.holders[0].vs = bytes32(other);
        _refused(OWNER, _publishing(fresh), _whySignature(fresh));
        fresh.holders[0].vs = bytes32(vs ^ TOP); // the other parity
        _refused(OWNER, _publishing(fresh), _whySignature(fresh));
        fresh.holders[0].vs = bytes32(vs);
        _done(OWNER, _publishing(fresh));
    }

    function test_nobodysSignatureIsNotThatOfASignerOfZero() external {
        _register(address(0));
        uint256[2][5] memory pairs =
            [[0, uint256(1)], [_r(), 0], [ORDER, uint256(1)], [uint256(5), 1], [uint256(0), 0]];
        for (uint256 i = 0; i < pairs.length; ++i) {
            for (uint256 v = 0; v < 2; ++v) {
                (NewFile memory fresh, address signer) = _with(pairs[i][0], pairs[i][1], v);
                require(signer == address(0), "somebody's");
                _refused(OWNER, _publishing(fresh), _whySignature(fresh));
            }
        }
    }

    function test_anySignatureIsThatOfItsSignerAlone(uint256 key) external {
        key = key % (ORDER - 1) + 1;
        _register(vm.addr(KEY));
        NewFile memory fresh = _unsigned(1);
        _sign(key, _digestOf(fresh), fresh.holders[0]);
        if (key == KEY) _done(OWNER, _publishing(fresh));
        else _refused(OWNER, _publishing(fresh), _whySignature(fresh));
    }
}
